"""The cells of a plan: each a training run with a folder of its own. Nothing is trained here."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scq.quantizers import registry
from scq.training.config import TrainConfig
from scq.validation.studies.plans.plan import Arm, Plan, Value

Stage = Literal["tune", "stress", "final"]
Varied = tuple[tuple[str, Value], ...]
"""In what settings a cell differs from the centre, and how; in the order of the names."""
Place = tuple[str, str, Varied]
"""Arm, data set, and what is varied."""

VALIDATION_SHARE = 0.1

_WEIGHTS = ("regularizer_weight", "commitment_weight", "quantization_weight")
"""What makes a smoothed quantizer itself comes before the term that all soft ones have."""

CENTRE: Varied = ()


@dataclass(frozen=True)
class Choice:
    """Settings to try, or the ones that were chosen.

    Attributes:
        learning_rate: of Adam.
        factor: by which the quantizer's weight in the loss is multiplied.
    """

    learning_rate: float
    factor: float = 1.0


@dataclass(frozen=True)
class PlannedRun:
    """One training run of a study.

    Attributes:
        stage: what it is for.
        place: whose run it is, and where.
        choice: the settings that are tuned, which ``config`` has too.
        config: what the run is told; its folder is ``config.out / config.name``.
        measures: what is measured on it when it is trained.
    """

    stage: Stage
    place: Place
    choice: Choice
    config: TrainConfig
    measures: tuple[str, ...] = ()

    @property
    def run(self) -> Path:
        return self.config.out / str(self.config.name)


def weight_setting(quantizer: str) -> str | None:
    """The setting of :class:`scq.training.TrainConfig` that is tuned as the quantizer's weight; None without one."""
    settings = registry.get(quantizer).settings
    return next((name for name in _WEIGHTS if name in settings), None)


def places(plan: Plan) -> list[Place]:
    """Where final runs are made: every arm at the centre of every data set, and the slices."""
    wanted = [(arm.name, data, CENTRE) for data in plan.datasets for arm in plan.arms]
    for part in plan.slices:
        for data, values in itertools.product(part.datasets, itertools.product(*part.vary.values())):
            for name in part.arms:
                centre = _settings(plan, plan.arm(name))
                varied = sorted((k, v) for k, v in zip(part.vary, values, strict=True) if centre[k] != v)
                wanted.append((name, data, tuple(varied)))
    return list(dict.fromkeys(wanted))


def trials(plan: Plan, quantizer: str) -> list[Choice]:
    """The grid of a quantizer: every learning rate with every factor, where there is a weight to multiply."""
    if plan.tuning is None:
        return []
    factors = plan.tuning.weight_factors if weight_setting(quantizer) else (1.0,)
    return [Choice(*pair) for pair in itertools.product(plan.tuning.learning_rates, factors)]


def where_tuned(plan: Plan, place: Place) -> Place:
    """The place whose choice holds at this one: itself, or its arm at the centre of the first data set."""
    each = plan.tuning is not None and plan.tuning.where == "each"
    return place if each else (place[0], plan.datasets[0], CENTRE)


def untuned(plan: Plan) -> dict[Place, Choice]:
    """The settings of the plan itself, at all places where others could be chosen."""
    planned = {arm.name: Choice(_settings(plan, arm)["learning_rate"]) for arm in plan.arms}
    return {where_tuned(plan, place): planned[place[0]] for place in places(plan)}


def tuning_cells(plan: Plan, folder: Path) -> list[PlannedRun]:
    """Every arm on its grid, at every place where it is tuned, on a validation split."""
    return [
        _cell(plan, folder, "tune", place, choice, plan.train.seed, validation_share=VALIDATION_SHARE, gap=False)
        for place in dict.fromkeys(where_tuned(plan, place) for place in places(plan))
        for choice in trials(plan, plan.arm(place[0]).quantizer)
    ]


def stress_cells(plan: Plan, folder: Path, choices: Mapping[Place, Choice]) -> list[PlannedRun]:
    """Arms from a start with all codewords far from the data, with what was chosen at the centre.

    No k-means, which would undo the bad start. An arm without a choice is left out.
    """
    if plan.stress is None:
        return []
    start = {"init": "normal", "latents_offset": plan.stress.offset, "steps": plan.stress.steps, "gap": False}
    varied: Varied = (("codebook_size", plan.stress.codebook_size),)
    stressed = ((name, plan.datasets[0], varied) for name in plan.stress.arms)
    return [
        _cell(plan, folder, "stress", place, choices[tuned], plan.train.seed, **start)
        for place in stressed
        if (tuned := (place[0], plan.datasets[0], CENTRE)) in choices
    ]


def final_cells(plan: Plan, folder: Path, choices: Mapping[Place, Choice]) -> list[PlannedRun]:
    """All places over fresh seeds; an arm without a choice is left out.

    All have a seed before any has the next: what a killed call leaves can be compared.
    """
    return [
        _cell(plan, folder, "final", place, choices[where_tuned(plan, place)], plan.train.seed + 1 + number)
        for number in range(plan.seeds)
        for place in places(plan)
        if where_tuned(plan, place) in choices
    ]


def _settings(plan: Plan, arm: Arm) -> Mapping[str, Any]:
    return {**vars(plan.train), "quantizer": arm.quantizer, **arm.settings}


def _cell(
    plan: Plan, folder: Path, stage: Stage, place: Place, choice: Choice, seed: int, **changes: float | int | str
) -> PlannedRun:
    arm, data, varied = plan.arm(place[0]), place[1], dict(place[2])
    settings = {**_settings(plan, arm), **varied}
    weight = weight_setting(arm.quantizer)
    if weight:
        settings[weight] *= choice.factor
    settings |= {"learning_rate": choice.learning_rate, "data": data, "seed": seed, "out": folder / stage}
    settings |= {"name": "-".join(_name_parts(arm, data, varied, choice, seed))} | changes
    measures = ("cost", *plan.measures) if stage == "final" else ()
    if varied:
        # One problem of K 1,024 takes some peers a minute, and the replays are told of at the centre alone.
        measures = tuple(name for name in measures if name != "replays")
    config = dataclasses.replace(plan.train, **settings).of(arm.quantizer)
    return PlannedRun(stage, place, choice, config, measures)


def _name_parts(arm: Arm, data: str, varied: Mapping[str, Value], choice: Choice, seed: int) -> Iterator[str]:
    yield data
    yield arm.name
    yield from (
        f"{name}_{value:g}" if isinstance(value, float) else f"{name}_{value}" for name, value in varied.items()
    )
    yield f"rate_{choice.learning_rate:g}"
    yield f"factor_{choice.factor:g}"
    yield f"seed_{seed}"
