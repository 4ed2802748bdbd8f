"""A study with numbers that are not there: its questions are answered from the rest, and nothing is drawn wrongly."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from studies_made_up import Row, fail, made_up

from scq.validation.common.plots.inline import Inline
from scq.validation.studies.page import study_page
from scq.validation.studies.plots.series import Axis, points
from scq.validation.studies.questions import answers
from scq.validation.studies.questions.rule import PREDICTORS, Point, derive
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.sentences import headline


@pytest.fixture(autouse=True)
def _checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are looked through in place of being written."""

    def look_through(drawing: Figure, folder: Path, name: str) -> Inline:
        for axes in drawing.axes:
            assert axes.lines, f"{name} is empty"
            for line in axes.lines:
                for scale, values in ((axes.get_xscale(), line.get_xdata()), (axes.get_yscale(), line.get_ydata())):
                    assert scale != "log" or (np.asarray(values, dtype=float) > 0).all(), f"{name} loses a zero"
        return Inline("", {})

    for module in ("questions.answer", "plots.figures"):
        monkeypatch.setattr(f"scq.validation.studies.{module}.save", look_through)


def said(record: StudyRecord) -> dict[str, str]:
    """The sentences of every question, and that they and the tables hold no number that is none."""
    found = answers(record, record.folder)
    for answer in found:
        cells = [cell for table in answer.tables for row in table.rows for cell in row]
        for words in (*answer.sentences, *(cell.text for cell in cells)):
            assert not re.search(r"\b(nan|inf|None(?! of))\b", words), words
    assert "nan" not in headline(record)
    return {answer.name: " ".join(answer.sentences) for answer in found}


def no_seed_in_common(row: Row) -> None:
    if (row["arm"] == "exact") == (row["seed"] == 1):
        fail(row)


def first_seed_without(row: Row) -> None:
    """Of the first seed no measure was made, and no metric is a number."""
    if row["seed"] == 1:
        row["measures"], row["test"] = {}, dict.fromkeys(row["test"])
        row["history"] = [{"step": line["step"]} for line in row["history"]]


def measured_in_vain(row: Row) -> None:
    for name in ("relaxations", "replays"):
        for number, point in enumerate(row["measures"][name].get("points", ())):
            gone = [key for key in point if key not in ("steps", "step", "backend", "primal_relaxed")]
            point |= dict.fromkeys(gone[number % 2 :: 2])
    row["history"] = [{name: float("nan") for name in line} | {"step": line["step"]} for line in row["history"]]


def collapsed(row: Row) -> None:
    if "hard_mse" in row["test"]:
        row["test"] |= {"hard_mse": row["test"]["mse"], "hard_perplexity": 1.0, "active_codes": 1.0, "tightness": 0.0}
        row["measures"]["rate"]["points"][0]["bits"] = 0.0
    for point in row["measures"]["relaxations"].get("points", ()):
        point |= dict.fromkeys(PREDICTORS, 0.0)


@pytest.mark.parametrize(
    ("change", "answered"),
    [
        (no_seed_in_common, {"quality", "swap", "usage", "rate", "annealing"}),
        (first_seed_without, {"quality", "swap", "usage", "rate", "annealing", "convergence", "rule", "distance"}),
        (measured_in_vain, {"quality", "swap", "usage", "rate", "annealing"}),
        (collapsed, {"quality", "swap", "usage", "rate", "annealing", "rule", "distance"}),
        (fail, set()),
    ],
)
def test_questions_are_answered_from_what_is_there(
    tmp_path: Path, change: Callable[[Row], None], answered: set[str]
) -> None:
    assert answered <= set(said(made_up(tmp_path, change)))


def test_one_seed_and_one_data_set_have_no_deviation_and_no_rule_without_others(tmp_path: Path) -> None:
    found = said(made_up(tmp_path, seeds=1, datasets=["photos"]))
    assert "±" not in found["quality"] + found["swap"] + found["annealing"]
    assert "exact has PSNR 20 dB: +0.1 dB against relaxed (ahead in 1 of 1 seeds)" in found["quality"]


def test_a_change_is_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    def change(row: Row) -> None:
        if row["arm"] == "exact" and row["seed"] == 1:
            row["test"] |= {"psnr": 90.0, "hard_mse": 1.0}
            del row["measures"]["swap"]

    record = made_up(tmp_path, change)
    assert "the PSNR of exact changes by -1 ± 0 dB" in said(record)["swap"]
    swap = next(answer for answer in answers(record, tmp_path) if answer.name == "swap")
    own, swapped = swap.tables[0].rows[:2]
    assert own[3].number - swapped[3].number == pytest.approx(1)  # not of 90 dB in one of them alone


def test_a_study_without_the_folders_of_its_runs_is_reported_and_says_so(tmp_path: Path) -> None:
    record = made_up(tmp_path)
    (tmp_path / "final").rename(tmp_path / "elsewhere")
    assert {"quality", "rate", "distance"} <= set(said(record))
    assert "the log of final/photos-vq-rate_0.001-factor_1-seed_1 is not there" in record.missing


def test_a_zero_makes_a_logarithmic_axis_linear() -> None:
    axes = points({"a": [[(0.0, 1.0)], [(8.0, 0.5)]]}, Axis("bits", log=True), Axis("error", log=True)).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")


def test_a_threshold_lets_in_no_unsafe_point_with_the_same_number() -> None:
    number = dict.fromkeys(PREDICTORS, 0.1)
    equal = [Point(True, number, 0.0, 1.0, safe) for safe in (True, False)]
    assert derive(equal).threshold is None


def test_a_page_of_one_seed_speaks_of_no_spread(tmp_path: Path) -> None:
    html = study_page(made_up(tmp_path, seeds=1, datasets=["photos"]), tmp_path)
    assert "standard deviation" not in html and "over seeds" not in html and "means over" not in html
    assert "of one seed" in html
    assert "One seed: the spread between seeds was not measured" in html
    assert re.search(r"<dt>seeds</dt><dd>1</dd>", html)
