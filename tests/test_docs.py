"""The documentation: its tables are the registries', its code runs."""

import csv
import re
from pathlib import Path

import pytest

import solvers
from scq.cli.listing import markdown, markdown_of_quantizers
from scq.quantizers import entries
from validation.studies.record import StudyRecord
from validation.studies.tables import choice_table, result_tables

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_backends_is_the_registrys() -> None:
    page = (DOCS / "backends.md").read_text()
    assert markdown(solvers.backends()) in page, "docs/backends.md is stale: paste scq.cli.listing.markdown(...)"


def test_the_table_of_quantizers_is_the_registrys() -> None:
    page = (DOCS / "quantizers.md").read_text()
    stale = "docs/quantizers.md is stale: paste scq.cli.listing.markdown_of_quantizers(...)"
    assert markdown_of_quantizers(entries()) in page, stale


def test_the_tables_of_the_study_are_the_measured_ones() -> None:
    with (DOCS / "study" / "study.csv").open() as file:
        rows = [_typed(line) for line in csv.DictReader(file)]
    record = StudyRecord(DOCS, {}, {}, {}, len(rows), rows)
    page = (DOCS / "choosing.md").read_text()
    choices = choice_table(record)
    assert choices is not None
    for table in (*result_tables(record), choices):
        assert table.markdown() in page, (
            f"docs/choosing.md is stale: paste the table of docs/study/study.csv, {table.caption}"
        )


_SETTINGS = ("stage", "run", "data", "quantizer", "weight_name", "state", "error")
_PLACE = ("codebook_size", "seed", "learning_rate", "factor", "weight")


def _typed(line: dict[str, str]) -> dict[str, object]:
    """A line of a study's CSV as the row that it was."""
    row: dict[str, object] = {name: line.get(name) or None for name in _SETTINGS}
    row |= {name: float(line[name]) if line[name] else None for name in _PLACE}
    row["codebook_size"] = int(line["codebook_size"])
    numbers = {k: v for k, v in line.items() if k not in (*_SETTINGS, *_PLACE)}
    return row | {"test": {name: float(value) for name, value in numbers.items() if value}}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_code_on_the_page_runs(page: Path) -> None:
    if "vector_quantize_pytorch" in page.read_text():
        pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    scope: dict = {}
    try:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            exec(compile(block, str(page), "exec"), scope)
    finally:
        for info in solvers.backends():
            if callable(info.run):
                solvers.unregister(info.name)
    assert {info.name for info in solvers.backends()} >= {"active_set", "interior_point", "relaxed"}


def test_every_number_of_the_log_is_explained(tmp_path: Path) -> None:
    from scq.training import TrainConfig, train

    small = {"width": 8, "residual_width": 4, "residual_layers": 1, "codebook_size": 8, "dim": 4}
    history = train(TrainConfig(steps=1, batch_size=4, out=tmp_path, **small), progress=False).history
    page = (DOCS / "diagnostics.md").read_text()
    named = re.sub(r"`(\w+/\w+)_exact`, `_relaxed`", r"`\1_exact`, `\1_relaxed`", page)
    missing = []
    for name in history[0]:
        stem = re.sub(r"_(exact|relaxed|difference|ratio)$", "", name)
        if name != "step" and f"`{name}`" not in named and f"`{stem}" not in named:
            missing.append(name)
    assert missing == []
