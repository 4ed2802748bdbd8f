"""The documentation: its tables are what the registries, the studies and the logs have."""

import csv
import json
import re
from pathlib import Path

import pytest
from registry_tables import markdown, markdown_of_presets, markdown_of_quantizers, markdown_of_variants
from small_runs import config, few_photos
from small_speech import of_speech, tones
from small_text import of_text, words

from scq import data, solvers
from scq.quantizers import entries
from scq.training import train
from scq.training.presets import presets
from scq.validation.studies.plans.files import read_plan
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.tables import centre_table, choice_table, result_tables

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_backends_is_the_registrys() -> None:
    page = (DOCS / "backends.md").read_text()
    assert markdown(solvers.backends()) in page, "docs/backends.md is stale: paste registry_tables.markdown(...)"


def test_the_table_of_variants_is_the_registrys() -> None:
    page = (DOCS / "comparing.md").read_text()
    stale = "docs/comparing.md is stale: paste registry_tables.markdown_of_variants(...)"
    assert markdown_of_variants(solvers.backends()) in page, stale


def test_the_table_of_quantizers_is_the_registrys() -> None:
    page = (DOCS / "quantizers.md").read_text()
    stale = "docs/quantizers.md is stale: paste registry_tables.markdown_of_quantizers(...)"
    assert markdown_of_quantizers(entries()) in page, stale


def test_the_table_of_presets_is_theirs() -> None:
    page = (DOCS / "vqgan.md").read_text()
    stale = "docs/vqgan.md is stale: paste registry_tables.markdown_of_presets(...)"
    assert markdown_of_presets(presets()) in page, stale


@pytest.mark.parametrize(("page", "plan"), [("choosing", "quantizers"), ("study", "relaxation")])
def test_the_tables_of_a_study_are_the_measured_ones(page: str, plan: str) -> None:
    measured = DOCS / "study" / f"{plan}.csv"
    with measured.open() as file:
        rows = [_typed(line) for line in csv.DictReader(file)]
    record = StudyRecord(DOCS, read_plan(plan).raw, {}, {}, {}, len(rows), rows)
    results = result_tables(record)
    if page == "study":
        results = [centre_table(record, data) for data in read_plan(plan).datasets]
    choices = choice_table(record)
    assert choices is not None
    text = (DOCS / f"{page}.md").read_text()
    for table in (*results, choices):
        assert table.markdown() in text, f"docs/{page}.md is stale: paste the table of {measured}, {table.caption}"


_WORDS = (
    "stage",
    "run",
    "arm",
    "data",
    "quantizer",
    "backend",
    "relaxation_projection",
    "weight_name",
    "state",
    "error",
)
_REALS = ("lam", "lam_end", "anneal_share", "learning_rate", "factor", "weight")
_COUNTS = ("codebook_size", "dim", "relaxation_steps", "steps", "seed")


def _typed(line: dict[str, str]) -> dict[str, object]:
    """A line of a study's CSV as the row that it was."""
    row: dict[str, object] = {name: line.pop(name, None) or None for name in _WORDS}
    row["varied"] = {name: json.loads(value) for name, value in _pairs(line.pop("varied"))}
    row |= {name: int(line.pop(name)) for name in _COUNTS}
    return (
        row
        | {name: float(line.pop(name) or "nan") for name in _REALS}
        | {"test": {name: float(value) for name, value in line.items() if value}}
    )


def _pairs(varied: str) -> list[list[str]]:
    return [pair.split("=") for pair in varied.split(";") if pair]


def _explained() -> list[str]:
    """The names in the first columns of the page's tables."""
    return re.findall(r"^\| `([\w/]+)` \|", (DOCS / "diagnostics.md").read_text(), re.MULTILINE)


def test_the_page_explains_the_numbers_that_runs_write_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: photos)
    written: set[str] = set()
    for info in entries():
        result = train(config(tmp_path, quantizer=info.name, steps=1, clip_norm=1.0), progress=False)
        written |= {*result.history[0], *result.test}
    for settings, examples in ((of_text(tmp_path, steps=1), words(20)), (of_speech(tmp_path, steps=1), tones())):
        result = train(settings, progress=False, data=examples)
        written |= {*result.history[0], *result.test}
    explained = _explained()
    assert len(explained) == len(set(explained))
    assert written - set(explained) == set(), "docs/diagnostics.md does not explain these"
    assert set(explained) - written == set(), "docs/diagnostics.md explains these, which no run writes"
