"""Puts what a study measured into the documentation: its CSV files, its tables, and the figures that the page shows.

    python benchmarks/publish_study.py runs/relaxation     # after `scq report runs/relaxation`

Tables go between the markers ``<!-- name -->`` and ``<!-- end -->`` of the page: a data set's name, choices, or stress.
"""

import re
import shutil
import sys
from pathlib import Path

import study_tables

from scq.validation.studies.results.record import StudyRecord, read_study
from scq.validation.studies.results.tables import centre_table, choice_table, result_tables, stress_table

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"quantizers": "choosing.md", "relaxation": "study.md"}


def main(folder: Path) -> None:
    record = read_study(folder)
    if record.missing:
        sys.exit(f"'{folder}' is not complete: {record.missing[0]}")
    plan = record.plan["name"]
    page = DOCS / PAGES[plan]
    text = page.read_text(encoding="utf-8")
    for name, table in _tables(record, plan).items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>\n{table}\n\g<2>", text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")
    into = DOCS / "study"
    for old in into.glob(f"{plan}_*"):
        old.unlink()
    shutil.copy(folder / "study.csv", into / f"{plan}.csv")
    if record.plan.get("measures"):
        shutil.copy(folder / "points.csv", into / f"{plan}_points.csv")
    for figure in set(re.findall(rf"study/{plan}_(\w+)\.png", text)):
        for kind in ("png", "pdf"):
            shutil.copy(folder / "report" / "figures" / f"{figure}.{kind}", into / f"{plan}_{figure}.{kind}")


def _tables(record: StudyRecord, plan: str) -> dict[str, str]:
    results = {table.caption.split(":")[0]: table for table in result_tables(record)}
    if plan == "relaxation":
        results = {data: centre_table(record, data) for data in record.datasets}
    whole = {name: f"{table.caption}.\n\n{table.markdown()}" for name, table in results.items()}
    rest = {"choices": choice_table(record), "stress": stress_table(record)}
    whole |= {name: table.markdown() for name, table in rest.items() if table is not None}
    return whole | (study_tables.tables(record) if plan == "relaxation" else {})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
