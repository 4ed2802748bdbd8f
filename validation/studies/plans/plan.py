"""What a study is: arms that are compared, a centre where all are run, and slices that lead away from it.

Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scq.quantizers import registry
from scq.solvers.suggestions import among
from scq.training.config import CommonConfig
from scq.training.kinds import Count

Value = int | float | str | bool

MEASURES = ("swap", "relaxations", "rate", "replays")
"""What a plan may have measured on its final runs, beside the test metrics and what they cost: modules of
:mod:`scq.validation.studies.measures`."""


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

    vary: Mapping[str, Sequence[Value]]
    arms: tuple[str, ...]
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Tuning:
    """The grid on which every arm is tuned, by the error of a validation split of the training examples: that of its
    model's entry, of pictures the MSE.

    Attributes:
        learning_rates: of Adam.
        weight_factors: multiples of the arm's weight in the loss: of regularizer_weight, else commitment_weight, else
            quantization_weight, whichever its quantizer has first.
        where: "centre", on the first data set, and what is chosen there holds everywhere; or "each", everywhere anew.
        hard_arms: by name; those that are to be discrete codes, and chosen by the error of hard decoding.
    """

    learning_rates: tuple[float, ...]
    weight_factors: tuple[float, ...] = (1.0,)
    where: Literal["centre", "each"] = "centre"
    hard_arms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
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

    codebook_size: Count
    steps: Count
    arms: tuple[str, ...]
    offset: float = 5.0


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
    train: CommonConfig
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
                raise ValueError(f"measures has {measure!r}, {among(measure, MEASURES, 'must be among')}")

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)
