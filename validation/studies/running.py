"""The study: arms tuned alike, compared over seeds at a centre and along slices, and put to a test of collapse."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from scq import data
from scq.training import build_model
from scq.training.environment import environment
from scq.training.model import pick_device
from scq.validation.config import StudyConfig
from scq.validation.files import new_folder, write_json, write_text
from scq.validation.machine import machine
from scq.validation.progress import cell_progress
from scq.validation.studies.cells import final_cells, stress_cells, tuning_cells, untuned
from scq.validation.studies.engines import workers
from scq.validation.studies.plan_files import read_plan
from scq.validation.studies.record import JSON, read_study
from scq.validation.studies.runner import Runner
from scq.validation.studies.sheets import points_csv, runs_csv
from scq.validation.studies.summary import choice_of, choose
from scq.validation.studies.tables import markdown


def study(config: StudyConfig, progress: bool = True) -> Path:
    """Runs a plan: arms compared at an equal tuning budget, over seeds.

    Three stages, each of training runs (:func:`scq.training.train`) in folders of their own:

    - tune: every arm on the same grid of learning rates and weights, on one seed, with a tenth of the training
      pictures held out. The trial with the smallest MSE of those is chosen.
    - stress: arms with a large codebook from a start with all codewords far from the latents.
    - final: every arm at the centre and along the slices with the chosen settings, over fresh seeds. These alone are
      compared, as mean and spread; what the plan has measured on them is measured when a run is trained.

    A run that fails stops no other one. Finished runs are kept, so that a killed or timed call goes on where it was
    (``config.resume``). study.json, study.csv (a line a run), points.csv (a line for each point of
    a measure) and study.md (tables) are replaced after every run.

    Args:
        config: the settings.
        progress: shows a bar with the time left, and where the results are.

    Returns:
        The folder: ``out / name``, with a number after it when there is one already.

    Raises:
        ValueError: bad settings, no such plan, or a folder to resume whose runs have other settings.
        FileNotFoundError: the data is not where it is looked for.
        RuntimeError: every run failed.
    """
    plan = read_plan(config.plan, config.quick, data_root=config.data_root, device=config.device)
    images = {name: data.load(name, config.data_root) for name in plan.datasets}
    device = pick_device(config.device)
    for arm in plan.arms:
        # Parts that do not go together are known before anything is trained.
        build_model(dataclasses.replace(plan.train, **{"quantizer": arm.quantizer, **arm.settings}))
    folder = (config.resume or new_folder(config.out, config.name or plan.name)).resolve()
    tuning = tuning_cells(plan, folder)
    choices = untuned(plan)
    total = len(tuning) + len(stress_cells(plan, folder, choices)) + len(final_cells(plan, folder, choices))
    content = {
        "plan": {"name": plan.name, **plan.raw},
        "train": {name: value for name, value in vars(plan.train).items() if name not in _PRIVATE},
        "data": {name: _described(split) for name, split in images.items()},
        "environment": environment(device) | machine(),
        "planned": total,
    }
    if not (folder / JSON).is_file():
        _write(folder, content, [])
    with (
        workers(config.engine, config.jobs, config.device) as hands,
        cell_progress(plan.name, disable=not progress) as bar,
    ):
        task = bar.add_task("", total=total)
        runner = Runner(hands, bar, task, config.minutes, lambda rows: _write(folder, content, rows))
        tried = runner.run(tuning)
        if plan.tuning is not None:
            best = choose(tried, plan.tuning.hard_arms)
            choices = {place: choice_of(row) for place, row in best.items()}
        if not runner.stopped:
            runner.run(stress_cells(plan, folder, choices))
            runner.run(final_cells(plan, folder, choices))
    if runner.rows and all(row["state"] == "failed" for row in runner.rows):
        raise RuntimeError(f"every run failed; the first: {runner.rows[0]['error']}")
    if progress:
        Console().print(f"Study: {folder / 'study.md'}, and as csv and json beside it", soft_wrap=True)
    return folder


_PRIVATE = ("out", "name", "data_root", "device", "data", "seed")
"""Paths of a machine, and what is the study's own."""


def _described(images: data.ImageData) -> dict[str, Any]:
    return {
        "description": images.description,
        "train_pictures": len(images.train),
        "test_pictures": len(images.test),
        "pixels": images.train.shape[2] * images.train.shape[3],
    }


def _write(folder: Path, content: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    write_json(folder / JSON, {**content, "rows": rows})
    write_text(folder / "study.csv", runs_csv(rows))
    write_text(folder / "points.csv", points_csv(rows))
    write_text(folder / "study.md", markdown(read_study(folder)))
