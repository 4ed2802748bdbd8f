"""A training run as a part of something larger: it may fail, be killed, and be gone on with."""

import dataclasses
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from scq.training import TrainConfig, resume, train
from scq.training.lock import held
from scq.training.run import Run


def check_resumed(run: Path, plan: TrainConfig, may_differ: Collection[str]) -> None:
    """Runs that are to be compared must have their settings in common.

    Args:
        run: the folder of an earlier run; one that did not finish is trained again and may have had any settings.
        plan: the settings it is wanted with.
        may_differ: names of settings that do not matter.

    Raises:
        ValueError: naming the run, the setting, what it was and what it must be.
    """
    if not Run(run).finished:
        return
    before = Run(run).config
    for field in dataclasses.fields(TrainConfig):
        was, wanted = getattr(before, field.name), getattr(plan, field.name)
        if was != wanted and field.name not in may_differ:
            raise ValueError(
                f"resume is '{run.parent}', where {run.name} ran with {field.name} {was}, must be {wanted}"
            )


def attempt(config: TrainConfig, progress: bool, tell: Callable[[str], object]) -> dict[str, Any]:
    """Trains in ``config.out / config.name``, whatever happens.

    An earlier attempt with the same settings is gone on with from its newest checkpoint; other remains are set aside.

    Args:
        config: of the run.
        progress: as for :func:`scq.training.train`.
        tell: is told of a failure.

    Returns:
        ``{"state": "done", "seconds": ...}``, or ``{"state": "failed", "error": ..., "traceback": ...}``.
    """
    run = config.out / str(config.name)
    start = time.perf_counter()
    try:
        if _can_go_on(run, config):
            resume(run, progress)
        else:
            _set_aside(run)
            train(config, progress)
    except Exception as error:  # noqa: BLE001  reported in the results, the terminal and the report; the others go on
        what = f"{type(error).__name__}: {error}"
        tell(f"failed: {what}")
        return {"state": "failed", "error": what, "traceback": traceback.format_exc()}
    return {"state": "done", "seconds": time.perf_counter() - start}


def _can_go_on(run: Path, config: TrainConfig) -> bool:
    if not Run(run).checkpoints.steps():
        return False
    try:
        before = Run(run).config
    except ValueError:  # of another version
        return False
    return dataclasses.replace(before, out=config.out) == config


def _set_aside(run: Path) -> None:
    """A run that did not finish keeps its log under another name.

    Raises:
        ValueError: another process trains there.
    """
    if run.exists():
        with held(run):
            pass
    number = 1
    while run.exists():
        aside = run.with_name(f"{run.name}-unfinished-{number}")
        if not aside.exists():
            run.rename(aside)
        number += 1
