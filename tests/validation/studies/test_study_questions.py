"""The questions of a study: rules on made-up numbers, and all of them on a tiny real study."""

from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from scq import data
from scq.validation import StudyConfig, report, study
from scq.validation.common.plots.inline import Inline
from scq.validation.studies.questions.rule import PREDICTORS, Point, derive, order
from scq.validation.studies.results.record import read_study

PLAN = """
title = "What does the relaxation cost?"
datasets = ["photos"]
seeds = 2
measures = ["swap", "relaxations", "rate"]

[train]
steps = 2
batch_size = 4
width = 8
residual_width = 4
residual_layers = 1
dim = 4
codebook_size = 8
log_every = 1
gap = false

[arms]
exact = {quantizer = "scq", gap = true}
relaxed = {quantizer = "scq_relaxed", gap = true}
vq = {}
annealed = {quantizer = "scq_annealed"}

[[slices]]
vary.lam = [1]
arms = ["exact"]

[[slices]]
vary.lam_end = [1]
arms = ["annealed"]

[[slices]]
vary.codebook_size = [16]
arms = ["exact", "vq"]
"""


pytestmark = pytest.mark.slow  # a whole study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def few(name: str, root: Path | None = None, **settings: object) -> data.ImageData:
        return data.ImageData(name, pictures, pictures[:12].clone(), "noise")

    out = tmp_path_factory.mktemp("study")
    (out / "tiny.toml").write_text(PLAN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", few)
        return study(StudyConfig(str(out / "tiny.toml"), out=out, device="cpu", jobs=1), progress=False)


def test_every_question_that_the_plan_has_runs_for_is_a_heading_with_figures(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = set()

    def drawing(figure: Figure, where: Path, name: str) -> Inline:
        figure.canvas.draw()  # writing it in three formats takes the longest
        drawn.add(name)
        return Inline("", {})

    monkeypatch.setattr("scq.validation.studies.questions.answer.save", drawing)
    page = report(folder, progress=False).read_text()
    for name in ("quality", "distance", "swap", "strength", "size", "usage", "rate", "annealing", "rule"):
        assert f'<h2 id="{name}">' in page
    assert '<h2 id="convergence">' not in page  # nothing was dumped
    assert {
        "quality_photos_mse",
        "distance_weights_l2",
        "strength_psnr",
        "usage_over_K_active_codes",
        "rate_photos",
        "annealing_lam_end_hard_mse",
    } <= drawn


def test_a_difference_is_between_runs_of_the_same_seed(folder: Path) -> None:
    from scq.validation.studies.questions.answer import differences

    record = read_study(folder)
    exact, vq = record.centre("exact", "photos"), record.centre("vq", "photos")
    assert exact is not None and vq is not None
    rows = {
        (row["arm"], row["seed"]): row["test"]["psnr"]
        for row in record.rows
        if row["data"] == "photos" and not row["varied"]
    }
    expected = [rows["exact", seed] - rows["vq", seed] for seed in (1, 2)]
    assert differences(record, exact, vq, "psnr") == pytest.approx(expected)


def test_a_slice_has_the_centre_too(folder: Path) -> None:
    from scq.validation.studies.questions.answer import slice_of

    series = slice_of(read_study(folder), "exact", "lam", "psnr")
    assert sorted(series.x) == [0.1, 1.0]
    assert [len(values) for values in series.y] == [2, 2]


def point(value: float, safe: bool) -> Point:
    return Point(True, dict.fromkeys(PREDICTORS, value), 0.0, 1.0, safe)


def test_the_rule_has_only_safe_points_below_its_threshold() -> None:
    rule = derive([point(0.1, True), point(0.3, True), point(0.4, False), point(0.5, True)])
    assert (rule.threshold, rule.found) == (0.3, 2)
    assert derive([point(0.1, False), point(0.2, True)]).threshold is None


def test_a_number_orders_points_by_the_share_of_pairs_in_the_right_order() -> None:
    points = [point(0.1, True), point(0.2, False), point(0.2, True), point(0.4, False)]
    # Of the four pairs 0.1 is right twice, 0.2 once and once level.
    assert order(points, "kkt_relaxed", lambda p: p.safe) == (1 + 1 + 1 + 0.5) / 4
    assert order(points[::2], "kkt_relaxed", lambda p: p.safe) is None


def test_the_rule_is_of_the_number_that_tells_most_safe_points() -> None:
    first, second = list(PREDICTORS)[:2]
    good = Point(True, {**dict.fromkeys(PREDICTORS, 1.0), first: 2.0, second: 0.1}, 0.0, 1.0, safe=True)
    bad = Point(True, {**dict.fromkeys(PREDICTORS, 0.5), first: 1.0, second: 0.2}, 1.0, 0.5, safe=False)
    assert derive([good, bad]).predictor == second
