"""The parts of what a training run is told: each owns its settings, their ranges and what they apply to.

Imports no torch. A setting is added here, and where a quantizer takes it, to that quantizer's parts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from scq.data import registry as datasets
from scq.data.left_out import OnBadFile
from scq.models import registry as models
from scq.quantizers import registry as quantizers
from scq.quantizers.checks import OnFailure
from scq.solvers import registry as backends
from scq.training.applicability import RELAXED, Applies, convex, has_codebook, in_a_folder, solves
from scq.training.kinds import Count, Positive, Share, Weight, Whole, Within
from scq.training.settings import Settings, check_folder_name

Init = Literal["normal", "uniform", "kmeans"]
Precision = Literal["no", "bf16", "fp16"]
Projection = Literal["alternating", "exact"]
Perceptual = Literal["lpips", "features", "none"]
GeneratorTerm = Literal["hinge", "non_saturating"]
Tracker = Literal["tensorboard", "wandb", "trackio", "mlflow"]
VIEWERS = ("tensorboard", "wandb")
"""Trackers that show more than numbers."""
Size = Annotated[int, Within("a multiple of 4, from 8 to 1024", lambda value: value % 4 == 0 and 8 <= value <= 1024)]


@dataclass(frozen=True)
class DataSettings(Settings):
    """What is trained on."""

    data: str = "photos"
    """Data set: photos (real photographs, nothing to download) or another that `scq data` lists."""
    data_root: Annotated[
        Path | None, Applies("to data in a folder, not inside installed packages", in_a_folder, "data")
    ] = None
    """Folder of the data; otherwise the environment variable SCQ_DATA, otherwise a cache folder."""
    size: Size = 32
    """Height and width of the pictures: photos are cut into tiles of it, others are cropped and resized to it."""
    on_bad_file: OnBadFile = "refuse"
    """When a picture cannot be read: refuse ends the run, skip names it, leaves it out and counts it."""
    workers: Whole = 2
    """Processes that read ahead, for each one that trains, where pictures stay on the disk; 0 reads in between."""
    rate: Annotated[int, Within("8000 or 16000", lambda value: value in (8000, 16000))] = 8000
    """Samples a second that speech is brought to."""
    validation_share: Annotated[float, Within(">= 0 and < 1", lambda value: 0 <= value < 1)] = 0.0
    """Share of the training pictures, the last ones, that the run is not trained but evaluated on, in place of the test
    pictures: for the choice of settings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        datasets.get(self.data)


@dataclass(frozen=True)
class QuantizerSettings(Settings):
    """How latents become codes."""

    quantizer: str = "scq"
    """scq (exact), scq_relaxed (the paper's Algorithm 2), vq, none, or another one that scq quantizers lists."""
    codebook_size: Annotated[Count, Applies("to quantizers with codewords", has_codebook, "quantizer")] = 128
    """Number of codewords; the grid of fsq has about as many."""
    dim: Count = 16
    """Channels of a latent."""
    groups: Annotated[Count, Applies("to quantizers with codewords", has_codebook, "quantizer")] = 1
    """Groups of channels, each quantized for itself: a latent has a code of each, with a codebook of its own."""
    stages: Annotated[Count, Applies("to quantizers with codewords", has_codebook, "quantizer")] = 1
    """Residual stages, each of which quantizes what those before it left, with a codebook of its own."""
    stage_dropout: Annotated[Share, Applies("to several stages", lambda config: config.stages > 1, "stages")] = 0.0
    """Share of the examples of a step for which the number of stages is drawn, from 1 to all."""
    init: Init = "kmeans"
    """Where the codebook starts; kmeans takes it from the first batch of latents."""
    lam: Positive = 0.1
    """Regularisation weight of soft convex quantization; large is close to plain vector quantization."""
    lam_end: Positive = 10.0
    """What lam grows to, geometrically."""
    anneal_share: Annotated[float, Within("> 0 and <= 1", lambda value: 0 < value <= 1)] = 0.8
    """Share of the steps over which lam grows to lam_end, or the temperature falls to temperature_end; then held."""
    on_failure: OnFailure = "fallback"
    """When latents are not solved: fallback quantizes them by their nearest codeword and counts them in the log, warn
    also says so at each step, raise ends the training."""
    quantization_weight: Weight = 1.0
    """Weight of ||z_q - z||^2 in the loss."""
    commitment_weight: Weight = 0.25
    """Weight of the commitment term in the loss."""
    regularizer_weight: Weight = 0.1
    """Weight of the further term in the loss."""
    neighbours: Count = 8
    """Latents that each vertex of the simplex draws."""
    temperature: Positive = 1.0
    """Temperature of the softmax over distances; the first one, where it falls."""
    temperature_end: Positive = 0.5
    """What the temperature falls to, geometrically."""
    decay: Share = 0.99
    """Of the moving averages of codewords: the share of an average that a step leaves."""
    revive_below: Share = 0.1
    """Codewords that fewer latents choose than this share of the mean take a latent's place; 0 for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        quantizers.get(self.quantizer)
        if self.dim % self.groups:
            raise ValueError(f"dim is {self.dim}, must be a multiple of groups, {self.groups}")


@dataclass(frozen=True)
class SolverSettings(Settings):
    """How the convex programme is solved, exactly and relaxed."""

    backend: Annotated[
        str,
        Applies(
            "to quantizers that solve exactly, and where the gap of a convex one is measured",
            solves,
            "quantizer",
            "gap",
        ),
    ] = backends.DEFAULT_BACKEND
    """Solver of the scq quantizer; also the exact one when the gap is measured."""
    relaxation_steps: Annotated[
        Count,
        RELAXED,
        Applies(
            "to relaxation_projection 'alternating' alone",
            lambda config: config.relaxation_projection != "exact",
            "relaxation_projection",
        ),
    ] = 20
    """Steps of the relaxation, in training and when the gap is measured."""
    relaxation_projection: Annotated[Projection, RELAXED] = "alternating"
    """How the relaxation comes back to the simplex, in training and when the gap is measured: alternating, the paper's
    steps, or exact, one Euclidean projection."""

    def __post_init__(self) -> None:
        super().__post_init__()
        backends.get(self.backend)


@dataclass(frozen=True)
class ModelSettings(Settings):
    """What is trained around the quantizer."""

    model: str = "vqvae"
    """vqvae, a small autoencoder of pictures; vqgan, which also learns from a discriminator; text, an autoencoder of
    text; wav2vec2, wav2vec 2.0 of speech."""
    width: Count = 64
    """Channels of the convolutions; of vqgan of its first level."""
    residual_width: Annotated[
        Count, Applies("to residual blocks", lambda config: config.residual_layers > 0, "residual_layers")
    ] = 32
    """Channels inside a residual block."""
    residual_layers: Whole = 2
    """Residual blocks in the encoder, and in the decoder; of vqgan of each level."""
    transformer_layers: Count = 2
    """Layers of the transformer."""
    latents_offset: float = 0.0
    """A bad start on purpose: the latents of the untrained encoder, of mean 0 and variance 1 in each channel, are moved
    by so much in every channel. With 5 and init normal, all codewords are far from the data, whatever the quantizer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        models.get(self.model)


_ADVERSARIAL = Applies("to a discriminator", lambda config: config.disc_weight > 0, "disc_weight")


@dataclass(frozen=True)
class VQGANSettings(Settings):
    """What a VQGAN is made of and learns from; `scq train --preset` has published settings."""

    multipliers: Annotated[
        tuple[int, ...],
        Within(
            "1 to 8 numbers, each from 1 to 64", lambda value: 0 < len(value) <= 8 and set(value) <= set(range(1, 65))
        ),
    ] = (1, 1, 2)
    """Channels of each level, in widths; between two levels height and width are halved."""
    attention: bool = True
    """Self-attention at the last level and behind it."""
    perceptual: Perceptual = "features"
    """Perceptual term of the loss: lpips (VGG16, whose weights are downloaded), features (a distance by features of
    EfficientNet-Lite0, which comes with its package), or none."""
    perceptual_weight: Annotated[
        Weight, Applies("to a perceptual term", lambda config: config.perceptual != "none", "perceptual")
    ] = 1.0
    """Weight of the perceptual term, beside the mean absolute error of pictures in [-1, 1]."""
    lpips_weights: Annotated[
        Path | None, Applies("to perceptual lpips", lambda config: config.perceptual == "lpips", "perceptual")
    ] = None
    """The file vgg16-397923af.pth; by default it is looked for in torch's cache, and downloaded there."""
    disc_weight: Weight = 0.8
    """Weight of the generator's term; 0 for no discriminator."""
    disc_adaptive: Annotated[bool, _ADVERSARIAL] = True
    """Multiplies it by the ratio of both terms' gradients at the decoder's last layer."""
    disc_weight_max: Annotated[
        Positive, _ADVERSARIAL, Applies("to an adaptive weight", lambda config: config.disc_adaptive, "disc_adaptive")
    ] = 1e4
    """The largest such ratio."""
    disc_start_share: Annotated[Share, _ADVERSARIAL] = 0.3
    """Share of the steps after which the generator's term counts."""
    disc_warmup_share: Annotated[
        Share,
        _ADVERSARIAL,
        Applies("where the term starts later", lambda config: config.disc_start_share > 0, "disc_start_share"),
    ] = 0.1
    """Share of the steps for which the discriminator is trained before that."""
    disc_layers: Annotated[Count, _ADVERSARIAL] = 1
    """Convolutions of stride 2 of the discriminator: 1 for pictures of 32 pixels, 3 for 256."""
    disc_width: Annotated[Count, _ADVERSARIAL] = 32
    """Channels of its first convolution."""
    generator_term: Annotated[GeneratorTerm, _ADVERSARIAL] = "hinge"
    """hinge: minus the discriminator's mean logit. non_saturating: mean log(1 + exp(-logit))."""
    ema_decay: Annotated[float, Within(">= 0 and < 1", lambda value: 0 <= value < 1)] = 0.0
    """Of a moving average of the weights, which is evaluated too; 0 for none."""


@dataclass(frozen=True)
class OptimiserSettings(Settings):
    """The steps of the training."""

    steps: Count = 1000
    """Optimiser steps."""
    batch_size: Count = 64
    """Pictures a step, of all processes together: each takes its part."""
    accumulate: Count = 1
    """Parts that a process computes its pictures of a step in, one after the other: for batches that do not fit the
    memory at once. What looks at a whole batch (k-means, moving averages, perplexities in a loss) sees one part."""
    learning_rate: Positive = 1e-3
    """Learning rate of Adam."""
    clip_norm: Positive | None = None
    """Largest Euclidean norm of the gradient; a longer gradient is scaled down to it. By default none is."""
    precision: Precision = "no"
    """What the network computes in: no (float32 throughout), bf16, or fp16 with scaled losses, on GPUs only. Weights,
    solvers and codebooks stay in float32 or better."""
    seed: Whole = 0
    """Of the initial weights, the order of the batches and the noise of quantizers that draw."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size is {self.batch_size}, must be a multiple of accumulate, {self.accumulate}")


@dataclass(frozen=True)
class RunSettings(Settings):
    """Where a run computes, and what it measures."""

    device: str = "auto"
    """auto (a GPU when there is one), cpu, cuda, cuda:1, ..."""
    gap: bool = True
    """Measure the gap between exact and relaxed at every line of the log (soft convex quantizers only)."""
    log_every: Count = 20
    """Steps between two lines of the log."""


@dataclass(frozen=True)
class OutputSettings(Settings):
    """What a run leaves, and where."""

    trackers: tuple[Tracker, ...] = ("tensorboard",)
    """Where the numbers of the log go too: tensorboard, wandb, trackio, mlflow."""
    samples_every: Annotated[
        Whole,
        Applies(
            f"to trackers {' and '.join(map(repr, VIEWERS))} alone",
            lambda config: bool(set(VIEWERS) & set(config.trackers)),
            "trackers",
        ),
    ] = 200
    """Steps between two looks at the model in the trackers, also at the first and the last: reconstructions of held-out
    pictures, and a histogram of the codes of held-out examples; 0: none."""
    checkpoint_every: Count = 100
    """Steps between two checkpoints, from which a run that was stopped goes on."""
    dump_every: Annotated[Whole, Applies("to soft convex quantizers alone", convex, "quantizer")] = 0
    """Steps between two problems that are written to the run's folder problems, for scq compare --latents; 0: none."""
    out: Path = Path("runs")
    """Folder for the runs' folders."""
    name: str | None = None
    """Name of the run's folder; by default data and quantizer. A folder that exists gets a number after it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name is not None:
            check_folder_name(self.name)
