"""Paired training: the same model, seed and batches with each method in turn, and the swap test."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from scq.data.dataset import Dataset
from scq.training import CommonConfig, TrainConfig, load_run
from scq.training.environment import environment
from scq.training.folder import TEST
from scq.training.images import loaded
from scq.training.model import pick_device
from scq.training.run import Run
from scq.training.terminal import animated, duration, say
from scq.validation.common.attempts import attempt, check_resumed
from scq.validation.common.files import csv_text, read_json, write_json, write_text
from scq.validation.common.measuring.machine import machine
from scq.validation.common.metrics import codes, completed
from scq.validation.common.resuming import SETTINGS, read_settings, working
from scq.validation.comparison.measuring.latents import save_latents
from scq.validation.config import GapConfig
from scq.validation.paired.gap_map import save_gap_map
from scq.validation.paired.held_out import save_pictures, swap_test
from scq.validation.paired.methods import METHODS
from scq.validation.paired.record import RESULTS
from scq.validation.paired.speeds import measure_speeds, read_speeds
from scq.validation.paired.tables import metrics_table

_SETTLED_BY_METHOD = ("quantizer", "out", "name", "data_root", "device")


def gap(config: GapConfig, progress: bool = True) -> Path:
    """Trains the same model from the same seed on the same batches with every method, and compares them.

    Each method is a run of :func:`scq.training.train` in ``folder/method``. Then the swap test evaluates the models of
    exact and relaxed soft convex quantization with the other's solver in place of their own, and everything is written
    to results.json and results.csv, with the reconstructions of some held-out pictures beside, and in the folders of
    both soft models their latents and a map of the gap. At the end the trained models are timed in turns. A method that
    fails does not stop the others: results.json says what happened. Runs that an earlier call finished are left as they
    are (``config.resume``).

    Args:
        config: the settings.
        progress: shows a bar for every run, or lines where there is no terminal, and the table at the end.

    Returns:
        The folder: ``train.out / train.name``, with a number after it when there is one already.

    Raises:
        ValueError: bad settings, or a folder to resume whose runs have other settings.
        FileNotFoundError: the data is not where it is looked for.
        RuntimeError: every method failed.
    """
    images = loaded(config.train)
    if config.resume is not None:
        _check_earlier(config, config.resume)
    where = (config.train.out, config.train.name or "gap")
    with working("gap", config, where, lambda folder: runs_so_far(folder, config.methods)) as folder:
        paired_runs(config, images, folder, progress)
    if progress:
        results = read_json(folder / RESULTS)
        number = codes(dataclasses.asdict(config.train))
        done = {method: outcome["test"] for method, outcome in results["methods"].items() if "test" in outcome}
        tests = {method: completed(test, number) for method, test in done.items()}
        speeds = read_speeds(results["speeds"])
        metrics_table(tests, speeds and speeds.forward).transposed().show(Console())
        say(f"Runs: {folder}")
    return folder


def _check_earlier(config: GapConfig, folder: Path) -> None:
    if not any((folder / name).exists() for name in (SETTINGS, RESULTS, *METHODS)):
        raise ValueError(f"resume is '{folder}', must be the folder of paired runs (it has no {SETTINGS})")
    read_settings(folder, "gap", GapConfig)  # that it is no other command's
    for method in config.methods:
        check_resumed(folder / method, _plan(config.train, method), _SETTLED_BY_METHOD)


def runs_so_far(folder: Path, methods: Sequence[str]) -> str:
    """How many of the runs are finished, in words."""
    return f"{sum(Run(folder / method).finished for method in methods)} of {len(methods)} runs are finished"


def paired_runs(config: GapConfig, images: Dataset, folder: Path, progress: bool) -> None:
    """:func:`gap` in a folder, without the table at the end, for a larger study that has its own."""
    plans = {method: _plan(config.train, method) for method in config.methods}
    tell = say if progress else lambda text: None
    methods = {}
    for number, (method, plan) in enumerate(plans.items(), 1):
        title = f"{METHODS[method].title} ({number} of {len(plans)})"
        if Run(folder / method).finished:
            tell(f"{title}: finished before")
            methods[method] = {"state": "done"}
        else:
            tell(title)
            outcome = methods[method] = attempt(dataclasses.replace(plan, out=folder, name=method), progress, tell)
            if outcome["state"] == "done" and not animated():
                tell(f"{title}: done in {duration(outcome['seconds'])}")
    done = [method for method, outcome in methods.items() if outcome["state"] == "done"]
    if not done:
        raise RuntimeError(f"every method failed; the first: {next(iter(methods.values()))['error']}")

    tell("Evaluating on held-out pictures")
    device = pick_device(config.train.device)
    models = {method: load_run(folder / method)[1].to(device) for method in done}
    for model in models.values():
        model.meet(images)
    for method in done:
        methods[method]["test"] = read_json(folder / method / TEST)
        if METHODS[method].convex:
            save_latents(folder / method, models[method], images)
            save_gap_map(folder / method, models[method], images.test, config.train)
    save_pictures(folder, models, images.test)
    results = {
        "config": dataclasses.asdict(config),
        "data": {
            "name": images.name,
            "description": images.description,
            "train_pictures": len(images.train),
            "test_pictures": len(images.test),
        },
        "environment": environment(device) | machine(),
        "methods": methods,
        "swap": swap_test(folder, {method: methods[method]["test"] for method in done}, images.test, device),
        # Last: nothing else is done with the models.
        "speeds": measure_speeds(models, images.test, config.train.batch_size, device),
    }
    write_json(folder / RESULTS, results)
    write_text(folder / "results.csv", _csv(results["methods"], results["swap"]))


def _plan(common: CommonConfig, method: str) -> TrainConfig:
    return common.of(METHODS[method].quantizer)


def _csv(methods: Mapping[str, Mapping[str, Any]], swap: list[dict[str, Any]]) -> str:
    """A line for every trained model and the solver it was tested with; its own comes first."""
    lines = [
        {"trained": name, "tested": name, **outcome["test"]} for name, outcome in methods.items() if "test" in outcome
    ]
    lines += [
        {"trained": x["trained"], "tested": x["tested"], **x["test"]} for x in swap if x["trained"] != x["tested"]
    ]
    return csv_text(lines[0], lines)
