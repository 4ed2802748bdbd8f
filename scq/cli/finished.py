"""``scq evaluate`` and ``scq prior``, of finished runs: their settings, and what they say at the end."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional

from scq.training.applicability import Applies, refuse_ignored
from scq.training.kinds import Count, Positive, Whole, Within
from scq.training.settings import Settings


@dataclass(frozen=True)
class EvaluateConfig(Settings):
    """What to measure of the reconstructions of a finished run, as trained and after hard decoding."""

    run: Positional[Path]
    """Folder of the run, of a model of pictures."""
    lpips: Literal["none", "alex", "vgg"] = "none"
    """LPIPS too, by this network; scores are alex's by custom. Its weights are downloaded (233 and 528 MB)."""
    lpips_weights: Annotated[Path | None, Applies("to LPIPS", lambda config: config.lpips != "none", "lpips")] = None
    """The file with the network's weights; by default it is looked for in torch's cache, and downloaded there."""
    rfid: bool = False
    """rFID and KID too, by Inception."""
    inception: Annotated[Path | None, Applies("to rFID", lambda config: config.rfid, "rfid")] = None
    """A TorchScript file of Inception, as inception-2015-12-05.pt, which is run as a programme is; by default
    torch-fidelity's."""
    average: bool = False
    """With the averaged weights, of a run that has them."""
    pictures: Annotated[int, Within("at least 2", lambda value: value >= 2)] = 50_000
    """Held-out pictures at most, evenly over all; as many training pictures are looked at for the floor."""
    data_root: Path | None = None
    """Folder of the data, where it is another than the run's."""
    device: str = "auto"
    """auto (a GPU when there is one), cpu, cuda, cuda:1, ..."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_ignored(self)


@dataclass(frozen=True)
class PriorConfig(Settings):
    """What a prior over the codes of a finished run is, and how it is trained."""

    run: Positional[Path]
    """Folder of the run, of a model of pictures with hard codes."""
    width: Count = 128
    """Channels of the transformer."""
    layers: Count = 4
    """Its layers."""
    heads: Count = 4
    """Its heads, which divide the width."""
    steps: Count = 2000
    """Optimiser steps at most: it stops when validation pictures, the last tenth of those of training, cost no less."""
    batch_size: Count = 32
    """Pictures a step."""
    learning_rate: Positive = 5e-4
    """Learning rate of AdamW."""
    every: Count = 50
    """Steps between two looks at the validation pictures."""
    patience: Count = 5
    """Looks without a better one, after which it stops; the best is kept."""
    samples: Annotated[int, Within("at least 2", lambda value: value >= 2)] = 64
    """Pictures that are drawn."""
    seed: Whole = 0
    """Of weights, batches and samples."""
    data_root: Path | None = None
    """Folder of the data, where it is another than the run's."""
    device: str = "auto"
    """auto (a GPU when there is one), cpu, cuda, cuda:1, ..."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"heads is {self.heads}, must divide width, {self.width}")


def run_evaluate(config: EvaluateConfig) -> None:
    from rich.console import Console

    from scq.validation.judging import judge, judged_table

    found = judge(
        config.run,
        lpips=config.lpips,
        lpips_weights=config.lpips_weights,
        rfid=config.rfid,
        inception_file=config.inception,
        average=config.average,
        pictures=config.pictures,
        data_root=config.data_root,
        device=config.device,
    )
    judged_table(found).transposed().show(Console())


def run_prior(config: PriorConfig) -> None:
    from scq.validation.priors import FOLDER, PriorSettings, prior

    settings = PriorSettings(**{one.name: getattr(config, one.name) for one in fields(PriorSettings)})
    found = prior(config.run, settings, data_root=config.data_root, device=config.device)
    print(
        f"Held-out pictures: {found['bits']:.3f} bits a latent under the prior, {found['bits_alone']:.3f} by the "
        f"frequencies of the codes alone, {found['bits_uniform']:.3f} for any code"
    )
    print(
        f"{found['pictures']} samples: Frechet distance {found['frechet']:.4g} by EfficientNet-Lite0, floor "
        f"{found['frechet_floor']:.4g} (as many training pictures)"
    )
    print(f"Samples: {config.run / FOLDER}")
