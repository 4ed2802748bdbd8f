"""What a study is: arms that are compared, a centre where all are run, and slices that lead away from it.

A plan is read from a TOML file. Nothing in it is executed, and what it does not know is refused. Imports no torch.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scq.quantizers import registry
from scq.training.config import TrainConfig
from validation.studies import kinds
from validation.studies.kinds import check_kinds
from validation.studies.settings import check_free, check_keys, settings, train_config

Value = int | float | str | bool

MEASURES = ("swap", "relaxations", "rate", "replays")
"""What a plan may have measured on its final runs, beside the test metrics and what they cost: modules of
:mod:`validation.studies.measures`."""

SHIPPED = Path(__file__).parent / "plans"


@dataclass(frozen=True)
class Arm:
    """One of those that are compared.

    Attributes:
        name: in tables, figures and the names of folders.
        settings: of :class:`scq.training.TrainConfig`, where it differs from what all have in common.
        quantizer: its quantizer.
    """

    name: str
    settings: Mapping[str, Value]

    @property
    def quantizer(self) -> str:
        return str(self.settings.get("quantizer", self.name))

    @property
    def has_codebook(self) -> bool:
        return registry.get(self.quantizer).parts is not None


@dataclass(frozen=True)
class Slice:
    """Runs away from the centre.

    Attributes:
        vary: values by setting of :class:`scq.training.TrainConfig`; with several settings all combinations.
        arms, datasets: by name.
    """

    vary: Mapping[str, tuple[Value, ...]]
    arms: tuple[str, ...]
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Tuning:
    """The grid on which every arm is tuned, by the MSE of a validation split of the training pictures.

    Attributes:
        learning_rates: of Adam.
        weight_factors: multiples of the arm's weight in the loss: of regularizer_weight, else commitment_weight, else
            quantization_weight, whichever its quantizer has first.
        where: "centre", on the first data set, and what is chosen there holds everywhere; or "each", everywhere anew.
        hard_arms: by name; those that are to be discrete codes, and chosen by the MSE of hard decoding.
    """

    learning_rates: tuple[float, ...]
    weight_factors: tuple[float, ...] = (1.0,)
    where: str = "centre"
    hard_arms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.where not in ("centre", "each"):
            raise ValueError(f"tuning.where is {self.where!r}, must be 'centre' or 'each'")
        for name in ("learning_rates", "weight_factors"):
            values = getattr(self, name)
            if not values or not all(value > 0 for value in values) or len(set(values)) < len(values):
                raise ValueError(f"tuning.{name} is {values}, must be one or more different numbers > 0")


@dataclass(frozen=True)
class Stress:
    """Runs from a start with all codewords far from the latents, on the first data set.

    Attributes:
        codebook_size: K.
        offset: how far: standard deviations of the latents, in every channel.
        steps: of the training.
        arms: by name.
    """

    codebook_size: int
    steps: int
    arms: tuple[str, ...]
    offset: float = 5.0

    def __post_init__(self) -> None:
        for name in ("codebook_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"stress.{name} is {getattr(self, name)}, must be at least 1")


@dataclass(frozen=True)
class Plan:
    """A study.

    Attributes:
        name: of the file.
        title: what it asks, one line.
        train: what all runs have in common, the centre.
        arms: what is compared.
        datasets: by name; the first is that of the tuning and the stress test.
        seeds: fresh seeds of the final runs: train.seed + 1, train.seed + 2, ...; train.seed itself is that of the
            tuning and the stress test.
        slices: runs away from the centre.
        tuning: None where nothing is tuned.
        stress: None without a stress test.
        measures: what is measured on the final runs, among :data:`MEASURES`.
    """

    name: str
    title: str
    train: TrainConfig
    arms: tuple[Arm, ...]
    datasets: tuple[str, ...]
    seeds: int
    slices: tuple[Slice, ...] = ()
    tuning: Tuning | None = None
    stress: Stress | None = None
    measures: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}, must be at least 1")
        if not self.arms:
            raise ValueError("arms is empty, must name one or more")
        if not self.datasets or len(set(self.datasets)) < len(self.datasets):
            raise ValueError(f"datasets is {list(self.datasets)}, must name one or more, each once")
        for measure in self.measures:
            if measure not in MEASURES:
                raise ValueError(f"measures has {measure!r}, must be among: {', '.join(MEASURES)}")

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)


def plan_names() -> list[str]:
    """The plans that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read_plan(name: str, quick: bool = False, **place: Any) -> Plan:
    """Reads a plan.

    Args:
        name: one of :func:`plan_names`, or the path of a file.
        quick: with what the file has under [quick] in place of what it has elsewhere.
        **place: settings of :class:`scq.training.TrainConfig` that say where it runs: data_root, device, out, name.

    Raises:
        ValueError: no such plan, or a file that is none; naming the file, the key, what it was and what it must be.
    """
    path = SHIPPED / f"{name}.toml" if name in plan_names() else Path(name)
    if not path.is_file():
        raise ValueError(f"plan is {name!r}, must be one of: {', '.join(plan_names())}; or the path of a TOML file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        fast = content.pop("quick", None)
        if quick:
            if fast is None:
                raise ValueError("quick is asked for, but there is no [quick]")
            check_kinds("", {"quick": fast}, {"quick": dict})
            content = _merged(content, fast)
        return _plan(path.stem + "-quick" * quick, content, place)
    except (ValueError, TypeError) as error:  # TOMLDecodeError is a ValueError
        raise ValueError(f"'{path}': {error}") from error


def _plan(name: str, content: Mapping[str, Any], place: Mapping[str, Any]) -> Plan:
    check_keys("the plan", content, kinds.PLAN, required=("title", "arms", "datasets", "seeds"))
    check_kinds("", content, kinds.PLAN)
    train = train_config(content.get("train", {}), "train", **place)
    arms = tuple(Arm(arm, settings(given, f"arms.{arm}")) for arm, given in content["arms"].items())
    for arm in arms:
        # Built once, so that a wrong value is known before anything is trained.
        train_config({**content.get("train", {}), "quantizer": arm.quantizer, **arm.settings}, f"arms.{arm.name}")
        check_free(f"arms.{arm.name}", arm.settings, {"seed": "seeds"} | (_TUNED if "tuning" in content else {}))
    datasets = tuple(content["datasets"])
    with_codebook = tuple(arm.name for arm in arms if arm.has_codebook)
    slices = tuple(_slice(given, arms, with_codebook, datasets) for given in content.get("slices", ()))
    stress = content.get("stress")
    if stress is not None:
        check_keys("stress", stress, kinds.STRESS, required=("codebook_size",))
        check_kinds("stress.", stress, kinds.STRESS)
        chosen = _among("stress.arms", stress.get("arms", with_codebook), with_codebook)
        stress = Stress(**{"steps": train.steps, **stress, "arms": chosen})
    tuning = content.get("tuning")
    if tuning is not None:
        check_keys("tuning", tuning, kinds.TUNING, required=("learning_rates",))
        check_kinds("tuning.", tuning, kinds.TUNING)
        # An integer is a number too.
        grid = {key: tuple(map(float, tuning[key])) for key in ("learning_rates", "weight_factors") if key in tuning}
        hard = _among("tuning.hard_arms", tuning.get("hard_arms", ()), with_codebook)
        tuning = Tuning(**{**tuning, **grid, "hard_arms": hard})
    return Plan(
        name,
        content["title"],
        train,
        arms,
        datasets,
        content["seeds"],
        slices,
        tuning,
        stress,
        tuple(content.get("measures", ())),
        raw=content,
    )


_TUNED = {"learning_rate": "tuning"}


def _slice(
    given: Mapping[str, Any], arms: tuple[Arm, ...], with_codebook: tuple[str, ...], datasets: tuple[str, ...]
) -> Slice:
    check_keys("slices", given, kinds.SLICE, required=("vary",))
    check_kinds("slices.", given, kinds.SLICE)
    check_free("slices.vary", given["vary"], {"seed": "seeds", "quantizer": "arms", "learning_rate": "train or an arm"})
    for name, values in given["vary"].items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"slices.vary.{name} is {values!r}, must be a list of values")
    return Slice(
        {
            name: tuple(settings({name: value}, "slices.vary")[name] for value in values)
            for name, values in given["vary"].items()
        },
        _among("slices.arms", given.get("arms", with_codebook), [arm.name for arm in arms]),
        _among("slices.datasets", given.get("datasets", datasets), datasets),
    )


def _among(name: str, values: Any, known: Any) -> tuple[str, ...]:
    for value in values:
        if value not in known:
            raise ValueError(f"{name} has {value!r}, must be among: {', '.join(known)}")
    return tuple(values)


def _merged(content: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged; everything else, lists too, is replaced."""
    merged = dict(content)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
