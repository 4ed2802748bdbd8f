"""A page of each kind, from small results, with few figures: drawing is what takes the time."""

from pathlib import Path

import pytest
import torch
from folders import row, write_comparison, write_complete
from small_runs import config, few_photos

from scq import data
from scq.training import train
from scq.validation import StudyConfig, report, study
from scq.validation.page import figures
from scq.validation.paired.plots.sections import MADE, SECTIONS
from scq.validation.studies.questions import swap, usage

_PLAN = """
title = "Which of the two?"
datasets = ["photos"]
seeds = 1
measures = ["swap"]
arms = {exact = {quantizer = "scq"}, vq = {}}
stress = {codebook_size = 16}

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
"""


def gap_page(folder: Path) -> Path:
    """Of paired runs with everything."""
    with pytest.MonkeyPatch.context() as patch:
        for name, entries in (("MADE", MADE), ("SECTIONS", SECTIONS)):
            few = {section: own[:1] if section in ("held_out", "gap") else () for section, own in entries.items()}
            patch.setattr(f"scq.validation.page.figures.{name}", few)
        patch.setattr("scq.validation.page.figures.problems", lambda rows: [])
        return report(write_complete(folder), progress=False)


def run_page(folder: Path) -> Path:
    """Of two small runs that really trained, side by side."""
    few = few_photos()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda name, root=None, **_: few)
        folders = [train(config(folder, name, trackers=()), progress=False).folder for name in ("scq", "vq")]
        shown = {"training": ["train/mse"], "codes": ["quantizer/support_size"], "time": ["time/step"]}
        patch.setattr("scq.validation.runs.plots.curves.sections", lambda runs: {"kkt": [], "gap": [], **shown})
        return report(folders, progress=False)


def comparison_page(folder: Path) -> Path:
    """Of a comparison with tolerances, variants, curves, and the steps of a training."""
    curve = [[1, 0.5, 0.9], [10, 1e-4, 1e-3], [30, 1e-15, 1e-14]]
    rows = [row("active_set", 1e-5, 1e-15, preset=preset, curve=curve) for preset in ("low", "high")]
    rows += [row("qpth", 1e-3, 1e-9, preset="high"), row("qpth", 1e-3, 0.01, variant="in float32", within=3)]
    rows += [row("active_set", 1e-5, 1e-15, dtype="float32"), row("relaxed", 2e-5, 0.5, outcome="time limit")]
    rows += [row("active_set", 1e-5, 1e-15, family="hull", step=step, iterations=step / 10) for step in (100, 200)]
    write_comparison(folder, *rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scq.validation.page.figures._OF_PROBLEMS", figures._OF_PROBLEMS[:1])
        return report(folder, progress=False)


def study_page(folder: Path) -> Path:
    """Of a study that really ran, with tiny models on noise."""

    def few(name: str, root: Path | None = None, **settings: object) -> data.ImageData:
        pictures = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return data.ImageData(name, pictures, pictures[:12].clone(), "noise")

    plan = folder / "small.toml"
    plan.write_text(_PLAN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", few)
        patch.setattr("scq.validation.studies.plots.figures._CAPTIONS", {"mse": "Mean squared error"})
        patch.setattr("scq.validation.studies.questions.QUESTIONS", (swap, usage))
        return report(study(StudyConfig(str(plan), out=folder, device="cpu", jobs=1), progress=False), progress=False)
