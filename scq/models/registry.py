"""The models by name: one frozen entry each; its class is imported when it is made. Imports no torch."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scq.solvers.entries import Registry

if TYPE_CHECKING:
    from scq.models.base import Model


@dataclass(frozen=True)
class ModelInfo:
    """One model: what it is, what it is trained on, and where its class lives.

    Args:
        name: the name that ``TrainConfig.model`` takes.
        title: one line for people.
        model: ``"module:class"``, of a :class:`scq.models.Model`.
        kind: of the data that it takes, as the data sets' entries say it.
        settings: the fields of :class:`scq.training.TrainConfig` that its class takes, beside quantizer and dim.
        starting: those that :meth:`scq.models.Model.start` takes.
        layers: those of its settings that count layers, each of which has a parameter or more.
        citation: whom to cite.
        headline: those of the numbers that it evaluates itself by that sum a run up, the most important first, of
            which more is better.
        errors: which of them settings are chosen by, smaller is better: of what it was trained with, and of its hard
            codes. None where no number of a single run says which of two is the better one.
    """

    name: str
    title: str
    model: str
    kind: str = "pictures"
    settings: tuple[str, ...] = ()
    starting: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    citation: str = ""
    headline: tuple[str, ...] = ()
    errors: tuple[str, str] | None = None

    def load(self) -> "type[Model]":
        """Its class."""
        module, attribute = self.model.split(":")
        return getattr(importlib.import_module(module), attribute)

    @property
    def taken(self) -> tuple[str, ...]:
        """The fields of :class:`scq.training.TrainConfig` that mean nothing to models that do not list them."""
        return (*self.settings, *self.starting)

    def options(self, config: Any, names: tuple[str, ...]) -> dict[str, Any]:
        """The settings of those names, of a run."""
        return {name: getattr(config, name) for name in names}


_ENTRIES = (
    ModelInfo(
        name="vqvae",
        title="the standard VQ-VAE of pictures: convolutions of stride 2 and residual blocks",
        model="scq.models.vqvae:Autoencoder",
        settings=("width", "residual_width", "residual_layers"),
        starting=("latents_offset",),
        layers=("residual_layers",),
        citation="van den Oord et al. 2017, arXiv 1711.00937",
        headline=("psnr", "ssim"),
        errors=("mse", "hard_mse"),
    ),
    ModelInfo(
        name="text",
        title="an autoencoder of text: a code for four characters, by convolutions of stride 2",
        model="scq.models.text:TextAutoencoder",
        kind="text",
        settings=("width",),
        headline=("accuracy", "hard_accuracy", "code_bits"),
        errors=("cross_entropy", "hard_cross_entropy"),
    ),
    ModelInfo(
        name="vqgan",
        title="VQGAN: encoder and decoder of diffusers, a perceptual distance, a discriminator of patches",
        model="scq.models.vqgan:VQGAN",
        settings=(
            "width",
            "multipliers",
            "residual_layers",
            "attention",
            "perceptual",
            "perceptual_weight",
            "lpips_weights",
            "disc_weight",
            "disc_adaptive",
            "disc_weight_max",
            "disc_start_share",
            "disc_warmup_share",
            "disc_layers",
            "disc_width",
            "generator_term",
            "ema_decay",
        ),
        starting=("latents_offset",),
        layers=("residual_layers", "disc_layers"),
        citation="Esser, Rombach and Ommer 2021, arXiv 2012.09841",
        headline=("psnr", "ssim"),
        errors=("mse", "hard_mse"),
    ),
    ModelInfo(
        name="wav2vec2",
        title="wav2vec 2.0 of speech, transformers' own, small; needs the extra speech",
        model="scq.models.wav2vec2:Wav2Vec2",
        kind="speech",
        settings=("width", "transformer_layers", "rate"),
        layers=("transformer_layers",),
        citation="Baevski et al. 2020, arXiv 2006.11477",
        headline=("digit_accuracy", "contrastive_accuracy", "hard_perplexity"),
    ),
)

REGISTRY = Registry("model", ModelInfo, "scq.models", _ENTRIES)


register = REGISTRY.register
"""Adds a model, of a :class:`ModelInfo`, so that ``TrainConfig(model=info.name)`` takes it."""

unregister = REGISTRY.unregister
"""Takes a model out again by its name, for tests and notebooks."""


def entries() -> tuple[ModelInfo, ...]:
    """Every model that can be trained by name: ours, those of installed packages, and those that were registered."""
    return REGISTRY.entries()


def get(name: str) -> ModelInfo:
    """The entry of that name.

    Raises:
        ValueError: when there is none; the message lists the known names.
    """
    return REGISTRY.get(name)
