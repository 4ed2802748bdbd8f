"""The study: arms tuned alike, compared over seeds at a centre and along slices, and put to a test of collapse."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scq import models
from scq.data import ImageData
from scq.data.dataset import Dataset
from scq.data.registry import get as dataset
from scq.training import build_model
from scq.training.environment import environment
from scq.training.images import loaded
from scq.training.model import pick_device
from scq.training.terminal import say
from scq.validation.common.files import read_json, write_json, write_text, written_by_us
from scq.validation.common.measuring.machine import machine
from scq.validation.common.progress import CellProgress
from scq.validation.common.resuming import read_settings, working
from scq.validation.config import StudyConfig
from scq.validation.studies.cells import final_cells, stress_cells, tuning_cells, untuned
from scq.validation.studies.engines import workers
from scq.validation.studies.plans.files import is_plan, plan_names, planned_name, read_plan, restored_plan
from scq.validation.studies.plans.plan import Plan
from scq.validation.studies.results.record import JSON, is_study, read_study
from scq.validation.studies.results.sheets import points_csv, runs_csv
from scq.validation.studies.results.summary import choice_of, choose
from scq.validation.studies.results.tables import markdown
from scq.validation.studies.runner import Runner


def study(config: StudyConfig, progress: bool = True) -> Path:
    """Runs a plan: arms compared at an equal tuning budget, over seeds.

    Three stages, each of training runs (:func:`scq.training.train`) in folders of their own:

    - tune: every arm on the same grid of learning rates and weights, on one seed, with a tenth of the training
      examples held out. The trial with the smallest error of those is chosen, of pictures the MSE.
    - stress: arms with a large codebook from a start with all codewords far from the latents.
    - final: every arm at the centre and along the slices with the chosen settings, over fresh seeds. These alone are
      compared, as mean and spread; what the plan has measured on them is measured when a run is trained.

    A run that fails stops no other one. Finished runs are kept, so that a killed or timed call goes on where it was
    (``config.resume``). study.json, study.csv (a line a run), points.csv (a line for each point of
    a measure) and study.md (tables) are replaced after every run.

    Args:
        config: the settings.
        progress: shows a bar with the time left, or a line a run where there is no terminal, and where the results
            are.

    Returns:
        The folder: ``out / name``, with a number after it when there is one already.

    Raises:
        ValueError: bad settings, no such plan, or a folder to resume whose runs have other settings.
        FileNotFoundError: the data is not where it is looked for.
        RuntimeError: every run failed.
    """
    plan = _plan(config)
    roots = {name: None if dataset(name).packaged else config.data_root for name in plan.datasets}
    images = {name: loaded(dataclasses.replace(plan.train, data=name, data_root=root)) for name, root in roots.items()}
    device = pick_device(config.device)
    for arm in plan.arms:
        # Parts that do not go together are known before anything is trained.
        build_model(dataclasses.replace(plan.train, **arm.settings).of(arm.quantizer))
    if config.plan not in plan_names():  # as it will be found from elsewhere, when this is gone on with
        config = dataclasses.replace(config, plan=str(Path(config.plan).resolve()))
    with working("study", config, (config.out, config.name or plan.name), _so_far) as given_folder:
        folder = given_folder.resolve()
        _work(config, plan, images, device, folder, progress)
    if progress:
        say(f"Study: {folder / 'study.md'}, and as csv and json beside it")
    return folder


def _plan(config: StudyConfig) -> Plan:
    """The plan's file as it is now; where that is gone, the plan as the study to go on with has it.

    Raises:
        ValueError: no such plan, or no study of that plan to go on with.
    """
    machine_settings = {"data_root": config.data_root, "device": config.device}
    if config.resume is None:
        return read_plan(config.plan, config.quick, **machine_settings)
    read_settings(config.resume, "study", StudyConfig)  # that it is no other command's
    if not is_study(config.resume):
        raise ValueError(f"resume is '{config.resume}', must be the folder of a study (it has no {JSON})")
    with written_by_us(config.resume / JSON):
        before = dict(read_json(config.resume / JSON)["plan"])
        name = before.pop("name")
    if planned_name(config.plan, config.quick) != name:
        raise ValueError(
            f"resume is '{config.resume}', a study of the plan {name}, must not be given the plan "
            f"{planned_name(config.plan, config.quick)}"
        )
    if is_plan(config.plan):
        return read_plan(config.plan, config.quick, **machine_settings)
    return restored_plan(name, before, **machine_settings)


def _so_far(folder: Path) -> str:
    if not is_study(folder):
        return "no run is finished"
    record = read_study(folder)
    return f"{sum(row['state'] == 'done' for row in record.rows)} of {record.planned} runs are finished"


def _work(
    config: StudyConfig,
    plan: Plan,
    images: Mapping[str, Dataset],
    device: torch.device,
    folder: Path,
    progress: bool,
) -> None:
    """The runs that are not finished yet."""
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
    if not is_study(folder):
        _write(folder, content, [])
    with (
        workers(config.engine, config.jobs, config.device) as hands,
        CellProgress(plan.name, total, disable=not progress) as bar,
    ):
        runner = Runner(hands, bar, config.minutes, lambda rows: _write(folder, content, rows))
        tried = runner.run(tuning)
        if plan.tuning is not None:
            errors = models.get(plan.train.model).errors
            assert errors is not None  # or the plan would have been refused
            best = choose(tried, plan.tuning.hard_arms, errors)
            choices = {place: choice_of(row) for place, row in best.items()}
        if not runner.stopped:
            runner.run(stress_cells(plan, folder, choices))
            runner.run(final_cells(plan, folder, choices))
    if runner.rows and all(row["state"] == "failed" for row in runner.rows):
        raise RuntimeError(f"every run failed; the first: {runner.rows[0]['error']}")


_PRIVATE = ("out", "name", "data_root", "device", "data", "seed")
"""Paths of a machine, and what is the study's own."""


def _described(dataset: Dataset) -> dict[str, Any]:
    counted = {"train_pictures": len(dataset.train), "test_pictures": len(dataset.test)}  # examples of whatever kind
    if isinstance(dataset, ImageData):
        counted["pixels"] = dataset.train.shape[2] * dataset.train.shape[3]
    return {"description": dataset.description, **counted}


def _write(folder: Path, content: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    write_json(folder / JSON, {**content, "rows": rows})
    write_text(folder / "study.csv", runs_csv(rows))
    write_text(folder / "points.csv", points_csv(rows))
    write_text(folder / "study.md", markdown(read_study(folder)))
