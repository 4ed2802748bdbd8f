"""Reads plans from TOML files. Nothing in them is executed, and what is not known is refused. Imports no torch."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from scq.data import registry as data
from scq.models import registry as models
from scq.solvers.suggestions import among, did_you_mean
from scq.training.config import CommonConfig
from scq.training.kinds import Count, conforming
from scq.training.settings import from_mapping
from scq.validation.studies.plans.plan import Arm, Plan, Slice, Stress, Tuning
from scq.validation.studies.plans.settings import check_free, common_config, settings

SHIPPED = Path(__file__).parent


def plan_names() -> list[str]:
    """The plans that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read_plan(name: str, quick: bool = False, **machine_settings: Any) -> Plan:
    """Reads a plan.

    Args:
        name: one of :func:`plan_names`, or the path of a file.
        quick: with what the file has under [quick] in place of what it has elsewhere.
        **machine_settings: settings of :class:`scq.training.TrainConfig` that say where it runs: data_root, device,
            out, name.

    Raises:
        ValueError: no such plan, or a file that is none; naming the file, the key, what it was and what it must be.
    """
    path = _path(name)
    if not is_plan(name):
        raise ValueError(
            f"plan is {name!r}, must be one of: {', '.join(plan_names())}; or the path of a TOML file"
            f"{did_you_mean(name, plan_names())}"
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        fast = content.pop("quick", None)
        if quick:
            if fast is None:
                raise ValueError("quick is asked for, but there is no [quick]")
            conforming("quick", fast, dict)
            content = _merged(content, fast)
        return _plan(planned_name(name, quick), content, machine_settings)
    except (ValueError, TypeError) as error:  # TOMLDecodeError is a ValueError
        raise ValueError(f"'{path}': {error}") from error


def restored_plan(name: str, content: Mapping[str, Any], **machine_settings: Any) -> Plan:
    """The plan whose ``raw`` was kept.

    Args:
        name: of the plan.
        content: its ``raw``.
        **machine_settings: as for :func:`read_plan`.

    Raises:
        ValueError: none of this version.
    """
    try:
        return _plan(name, content, machine_settings)
    except (ValueError, TypeError) as error:
        raise ValueError(f"the plan {name} is none of this version: {error}") from error


def is_plan(name: str) -> bool:
    """Whether there is such a plan to read."""
    return _path(name).is_file()


def planned_name(name: str, quick: bool) -> str:
    """What the plan is called, which has the name of its file."""
    return _path(name).stem + "-quick" * quick


def _path(name: str) -> Path:
    return SHIPPED / f"{name}.toml" if name in plan_names() else Path(name)


@dataclass(frozen=True)
class _PlanFile:
    """What a file has; the tables in it are looked at one by one."""

    title: str
    arms: dict
    datasets: tuple[str, ...]
    seeds: Count
    train: dict = field(default_factory=dict)
    slices: tuple[dict, ...] = ()
    tuning: dict | None = None
    stress: dict | None = None
    measures: tuple[str, ...] = ()


def _plan(name: str, content: Mapping[str, Any], machine_settings: Mapping[str, Any]) -> Plan:
    file = from_mapping(_PlanFile, content)
    if not file.datasets:
        raise ValueError("datasets is empty, must name one or more")
    train = common_config(file.train, "train", data=file.datasets[0], **machine_settings)
    arms = tuple(Arm(arm, settings(given, f"arms.{arm}")) for arm, given in file.arms.items())
    for arm in arms:
        # Built once, so that a wrong value is known before anything is trained.
        _check_run(train, arm, f"arms.{arm.name}")
        check_free(f"arms.{arm.name}", arm.settings, {"seed": "seeds"} | (_TUNED if file.tuning is not None else {}))
    with_codebook = tuple(arm.name for arm in arms if arm.has_codebook)
    slices = tuple(_slice(given, train, arms, with_codebook, file.datasets) for given in file.slices)
    packaged = [data.get(name).packaged for name in file.datasets]
    if machine_settings.get("data_root") is not None and all(packaged):
        raise ValueError(
            f"data_root is '{machine_settings['data_root']}', but applies to data in a folder "
            f"(datasets is {file.datasets})"
        )
    for dataset, arm in product(file.datasets, arms):
        _check_run(train, arm, "train", data=dataset, size=train.size)
    model, stress, tuning = models.get(train.model), None, None
    if file.stress is not None:
        if "latents_offset" not in model.taken:
            raise ValueError(f"stress is given, but model {train.model!r} takes no latents_offset to start badly with")
        stress = from_mapping(Stress, {"steps": train.steps, "arms": with_codebook} | file.stress, "stress")
        _check_among("stress.arms", stress.arms, with_codebook)
    if "rate" in file.measures and model.kind != "pictures":
        raise ValueError(f"measures has 'rate', but applies to pictures (train.model is {train.model!r})")
    if file.tuning is not None:
        if model.errors is None:
            raise ValueError(f"tuning is given, but model {train.model!r} has no number that would choose")
        tuning = from_mapping(Tuning, file.tuning, "tuning")
        _check_among("tuning.hard_arms", tuning.hard_arms, with_codebook)
    return Plan(
        name, file.title, train, arms, file.datasets, file.seeds, slices, tuning, stress, file.measures, raw=content
    )


_TUNED = {"learning_rate": "tuning"}


def _check_run(train: CommonConfig, arm: Arm, where: str, **varied: Any) -> None:
    of_run = {"quantizer": arm.quantizer, **arm.settings, **varied}
    try:
        train.of(of_run.pop("quantizer"), **of_run)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _slice(
    given: Mapping[str, Any],
    train: CommonConfig,
    arms: tuple[Arm, ...],
    with_codebook: tuple[str, ...],
    datasets: tuple[str, ...],
) -> Slice:
    read = from_mapping(Slice, {"arms": with_codebook, "datasets": datasets} | dict(given), "slices")
    check_free("slices.vary", read.vary, {"seed": "seeds", "quantizer": "arms", "learning_rate": "train or an arm"})
    for name, values in read.vary.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"slices.vary.{name} is {values!r}, must be a list of values")
    vary = {
        name: tuple(settings({name: value}, "slices.vary")[name] for value in values)
        for name, values in read.vary.items()
    }
    _check_among("slices.arms", read.arms, [arm.name for arm in arms])
    _check_among("slices.datasets", read.datasets, datasets)
    for arm in arms:
        for name, *values in product(read.datasets, *vary.values()) if arm.name in read.arms else ():
            _check_run(train, arm, f"slices.vary of {arm.name}", data=name, **dict(zip(vary, values, strict=True)))
    return replace(read, vary=vary)


def _check_among(name: str, values: Collection[str], known: Collection[str]) -> None:
    for value in values:
        if value not in known:
            raise ValueError(f"{name} has {value!r}, {among(value, known, 'must be among')}")


def _merged(content: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged; everything else, lists too, is replaced."""
    merged = dict(content)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
