"""What a training run is told, and nothing else: the command line is made from this class. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scq.data import registry as datasets
from scq.quantizers import registry as quantizers
from scq.quantizers.checks import OnFailure
from scq.solvers import registry as backends
from scq.training import applicability
from scq.training.kinds import conform

Init = Literal["normal", "uniform", "kmeans"]
Precision = Literal["no", "bf16", "fp16"]
Projection = Literal["alternating", "exact"]
Tracker = Literal["tensorboard", "wandb", "trackio", "mlflow"]


@dataclass(frozen=True)
class CommonConfig:
    """Settings of training runs that have different quantizers: those that do not apply to one are left aside there."""

    data: str = "photos"
    """Data set: photos (real photographs, nothing to download) or another that `scq data` lists."""
    data_root: Path | None = None
    """Folder of the data; otherwise the environment variable SCQ_DATA, otherwise a cache folder."""
    quantizer: str = "scq"
    """scq (exact), scq_relaxed (the paper's Algorithm 2), vq, none, or another one that scq quantizers lists."""
    backend: str = backends.DEFAULT_BACKEND
    """Solver of the scq quantizer; also the exact one when the gap is measured."""
    lam: float = 0.1
    """Regularisation weight of soft convex quantization; large is close to plain vector quantization."""
    lam_end: float = 10.0
    """What lam grows to, geometrically, in scq_annealed."""
    anneal_share: float = 0.8
    """Share of the steps over which lam grows in scq_annealed, and the temperature of gumbel falls; then both stay."""
    relaxation_steps: int = 20
    """Steps of the relaxation, in training (scq_relaxed, or backend relaxed) and when the gap is measured."""
    relaxation_projection: Projection = "alternating"
    """How the relaxation comes back to the simplex, in training and when the gap is measured: alternating, the paper's
    steps, or exact, one Euclidean projection."""
    on_failure: OnFailure = "fallback"
    """When latents are not solved: fallback quantizes them by their nearest codeword and counts them in the log, warn
    also says so at each step, raise ends the training."""
    codebook_size: int = 128
    """Number of codewords; the grid of fsq has about as many."""
    dim: int = 16
    """Channels of a latent."""
    init: Init = "kmeans"
    """Where the codebook starts; kmeans takes it from the first batch of latents. simvq, simvq_joint and fsq have a
    start of their own."""
    quantization_weight: float = 1.0
    """Weight of ||z_q - z||^2 in the loss of the quantizers with soft weights."""
    commitment_weight: float = 0.25
    """Weight of the commitment term in the loss of the quantizers with nearest codewords."""
    regularizer_weight: float = 0.1
    """Weight of the further term in the loss of smoothed_knn_l2, smoothed_knn_ce and smoothed_perplexity."""
    temperature: float = 1.0
    """Temperature of the softmax over distances in smoothed_knn_l2, smoothed_knn_ce and smoothed_perplexity; the first
    one of gumbel."""
    temperature_end: float = 0.5
    """What the temperature of gumbel falls to, geometrically."""
    decay: float = 0.99
    """Of the moving averages of vq_ema: the share of an average that a step leaves."""
    revive_below: float = 0.1
    """Codewords of vq_ema that fewer latents choose than this share of the mean take a latent's place; 0 for none."""
    latents_offset: float = 0.0
    """A bad start on purpose: the latents of the untrained encoder, of mean 0 and variance 1 in each channel, are moved
    by so much in every channel. With 5 and init normal, all codewords are far from the data, whatever the quantizer."""
    neighbours: int = 8
    """Latents that each vertex of the simplex draws, of smoothed_knn_l2 and smoothed_knn_ce."""
    width: int = 64
    """Channels of the convolutions."""
    residual_width: int = 32
    """Channels inside a residual block."""
    residual_layers: int = 2
    """Residual blocks in the encoder, and in the decoder."""
    steps: int = 1000
    """Optimiser steps."""
    batch_size: int = 64
    """Pictures a step, of all processes together: each takes its part."""
    accumulate: int = 1
    """Parts that a process computes its pictures of a step in, one after the other: for batches that do not fit the
    memory at once. What looks at a whole batch (k-means, moving averages, perplexities in a loss) sees one part."""
    learning_rate: float = 1e-3
    """Learning rate of Adam."""
    clip_norm: float | None = None
    """Largest Euclidean norm of the gradient; a longer gradient is scaled down to it. By default none is."""
    precision: Precision = "no"
    """What the network computes in: no (float32 throughout), bf16, or fp16 with scaled losses, on GPUs only. Weights,
    solvers and codebooks stay in float32 or better."""
    seed: int = 0
    """Of the initial weights, the order of the batches and the noise of quantizers that draw."""
    log_every: int = 20
    """Steps between two lines of the log."""
    trackers: tuple[Tracker, ...] = ("tensorboard",)
    """Where the numbers of the log go too: tensorboard, wandb, trackio, mlflow."""
    checkpoint_every: int = 100
    """Steps between two checkpoints, from which a run that was stopped goes on."""
    gap: bool = True
    """Measure the gap between exact and relaxed at every line of the log (soft convex quantizers only)."""
    dump_every: int = 0
    """Steps between two problems that are written to the run's folder problems, for scq compare --latents; 0 for none
    (soft convex quantizers only)."""
    validation_share: float = 0.0
    """Share of the training pictures, the last ones, that the run is not trained but evaluated on, in place of the test
    pictures: for the choice of settings."""
    device: str = "auto"
    """auto (a GPU when there is one), cpu, cuda, cuda:1, ..."""
    out: Path = Path("runs")
    """Folder for the runs' folders."""
    name: str | None = None
    """Name of the run's folder; by default data and quantizer. A folder that exists gets a number after it."""

    def __post_init__(self) -> None:
        conform(self)
        for name in (
            "relaxation_steps",
            "codebook_size",
            "dim",
            "neighbours",
            "width",
            "residual_width",
            "steps",
            "batch_size",
            "accumulate",
            "log_every",
            "checkpoint_every",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        weights = ("quantization_weight", "commitment_weight", "regularizer_weight")
        for name in ("residual_layers", "seed", "dump_every", *weights):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be >= 0")
        for name in ("decay", "revive_below"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be from 0 to 1")
        for name in ("lam", "lam_end", "temperature", "temperature_end", "learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}, must be finite and > 0" + ", or None" * (name == "clip_norm"))
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size is {self.batch_size}, must be a multiple of accumulate, {self.accumulate}")
        if not 0 < self.anneal_share <= 1:
            raise ValueError(f"anneal_share is {self.anneal_share}, must be > 0 and <= 1")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"validation_share is {self.validation_share}, must be >= 0 and < 1")
        datasets.get(self.data)
        quantizers.get(self.quantizer)
        entry = backends.get(self.backend)
        if self.gap and not entry.exact and quantizers.get(self.quantizer).convex:
            raise ValueError(
                f"backend is {self.backend!r}, must be exact when gap is measured; to train with the "
                "relaxation use quantizer='scq_relaxed'"
            )
        if self.name is not None:
            check_folder_name(self.name)

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
        ignored = applicability.ignored(CommonConfig(**given), applicability.TRAINING)
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
        applicability.refuse_ignored(self, applicability.TRAINING)


def check_folder_name(name: str) -> None:
    """
    Raises:
        ValueError: no name of a new folder.
    """
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"name is {name!r}, must be the name of one folder, without a path")
