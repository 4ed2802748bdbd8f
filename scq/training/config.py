"""What a training run is told, and nothing else: the command line is made from this class. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from scq.data import registry as datasets
from scq.models import registry as models
from scq.quantizers import registry as quantizers
from scq.solvers import registry as backends
from scq.training import applicability, parts


@dataclass(frozen=True)
class CommonConfig(
    # A dataclass has the fields of its last base first.
    parts.OutputSettings,
    parts.RunSettings,
    parts.OptimiserSettings,
    parts.VQGANSettings,
    parts.ModelSettings,
    parts.SolverSettings,
    parts.QuantizerSettings,
    parts.DataSettings,
):
    """Settings of training runs that have different quantizers: those that do not apply to one are left aside there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        model, quantizer, dataset = models.get(self.model), quantizers.get(self.quantizer), datasets.get(self.data)
        applicability.check_taken(CommonConfig, f"model {self.model!r}", model.taken)
        applicability.check_taken(CommonConfig, f"quantizer {self.quantizer!r}", quantizer.settings)
        if dataset.kind not in ("", model.kind):
            taken = ", ".join(one.name for one in datasets.datasets() if one.kind == model.kind)
            raise ValueError(
                f"data is {self.data!r}, which are {dataset.kind}; must be {model.kind}, as model {self.model!r} takes"
                + (f": {taken}" if taken else "")
            )
        if self.gap and not backends.get(self.backend).exact and quantizer.convex:
            raise ValueError(
                f"backend is {self.backend!r}, must be exact when gap is measured; to train with the "
                "relaxation use quantizer='scq_relaxed'"
            )

    @property
    def anneal_steps(self) -> int:
        """Forward passes in training, one for each part of a batch, in which what is annealed goes from its first value
        to its last."""
        return max(1, round(self.anneal_share * self.steps * self.accumulate))

    def of(self, quantizer: str, **own: Any) -> "TrainConfig":
        """The settings of the run with that quantizer. What these settings have that does not apply to it has its
        default there.

        Args:
            quantizer: by name.
            **own: settings of that run alone.

        Raises:
            TypeError, ValueError: one of its own settings is wrong, or does not apply to it.
        """
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(CommonConfig)}
        given |= {"quantizer": quantizer} | own
        ignored = applicability.ignored(CommonConfig(**given))
        return TrainConfig(**given | {name: getattr(CommonConfig, name) for name in ignored if name not in own})


@dataclass(frozen=True)
class TrainConfig(CommonConfig):
    """The settings of a training run. Runs that differ only in the quantizer start from the same weights and see the
    same batches.

    A setting that would change nothing, because its quantizer, its data or another setting leaves it aside, must be
    left at its default; :class:`CommonConfig` has what several quantizers share.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        applicability.refuse_ignored(self)
