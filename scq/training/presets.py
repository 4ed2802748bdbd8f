"""Published settings of whole trainings, by name. Imports no torch."""

from dataclasses import dataclass
from typing import Any

from scq.solvers.suggestions import among
from scq.training.applicability import ignored
from scq.training.config import CommonConfig, TrainConfig


@dataclass(frozen=True)
class Preset:
    """Settings that go together.

    Args:
        name: the name that ``scq train --preset`` takes.
        title: one line for people.
        settings: of :class:`scq.training.TrainConfig`; the others have their defaults.
        source: where they are published, and what is not as there.
    """

    name: str
    title: str
    settings: dict[str, Any]
    source: str


_TAMING = {
    "model": "vqgan",
    "data": "imagenet",
    "size": 256,
    "codebook_size": 1024,
    "dim": 256,
    "width": 128,
    "multipliers": (1, 1, 2, 2, 4),
    "perceptual": "lpips",
    "disc_layers": 3,
    "disc_width": 64,
    "disc_warmup_share": 0.0,
}

_PRESETS = (
    Preset(
        "small",
        "32 x 32 pictures on a CPU: minutes",
        {
            "model": "vqgan",
            "width": 32,
            "multipliers": (1, 2, 2),
            "residual_layers": 1,
            "attention": False,
            "perceptual_weight": 0.1,
            "disc_weight": 1.0,
            "disc_weight_max": 1.0,
            "ema_decay": 0.99,
            "batch_size": 16,
            "learning_rate": 4e-4,
        },
        "none: made for this project",
    ),
    Preset(
        "cifar10",
        "CIFAR-10, 8 x 8 latents",
        {
            "model": "vqgan",
            "data": "cifar10",
            "codebook_size": 1024,
            "dim": 256,
            "residual_layers": 1,
            "perceptual": "lpips",
            "disc_weight": 1.0,
            "disc_weight_max": 1.0,
            "disc_warmup_share": 0.0,
            "ema_decay": 0.9995,
            "batch_size": 128,
            "learning_rate": 5.76e-4,
            "steps": 100_000,
        },
        "samb-t/unleashing-transformers, hparams/defaults/vqgan_defaults.py at 0f1697a; the steps are ours, its "
        "average is taken at every tenth step with 0.995, and its Adam has the usual moments",
    ),
    Preset(
        "imagenet-f16",
        "256 x 256 pictures, 16 x 16 latents",
        _TAMING | {"batch_size": 12, "learning_rate": 5.4e-5, "steps": 1_000_000, "disc_start_share": 0.25},
        "CompVis/taming-transformers, configs/imagenet_vqgan.yaml at 3ba01b2, a GPU: batch and learning rate are times "
        "the GPUs there; the steps are ours",
    ),
    Preset(
        "simvq-128",
        "128 x 128 pictures, 16 x 16 latents",
        _TAMING
        | {
            "size": 128,
            "dim": 128,
            "multipliers": (1, 2, 2, 4),
            "attention": False,
            "disc_weight": 0.1,
            "disc_adaptive": False,
            "disc_start_share": 0.0,
            "disc_warmup_share": 0.1,
            "generator_term": "non_saturating",
            "ema_decay": 0.9999,
            "batch_size": 64,
            "learning_rate": 1e-4,
            "steps": 1_000_000,
        },
        "youngsheen/SimVQ, configs/imagenet_simvq_128_B.yaml at d8bd94d: 50 epochs; its blocks differ, and its term "
        "is of a picture's mean logit",
    ),
    Preset(
        "lsun-churches",
        "256 x 256 pictures, 16 x 16 latents",
        _TAMING
        | {
            "data": "lsun",
            "disc_weight": 1.0,
            "disc_weight_max": 1.0,
            "disc_start_share": 0.0136,
            "ema_decay": 0.9995,
            "batch_size": 4,
            "learning_rate": 1.8e-5,
            "steps": 2_200_000,
        },
        "samb-t/unleashing-transformers, hparams/defaults/vqgan_defaults.py and README at 069cceb; it also augments "
        "what the discriminator sees (DiffAug), which is not here, and averages as for cifar10",
    ),
)


def presets() -> tuple[Preset, ...]:
    """All of them."""
    return _PRESETS


def get(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ValueError: there is none; the message lists the names.
    """
    for one in _PRESETS:
        if one.name == name:
            return one
    raise ValueError(f"preset is {name!r}, {among(name, [one.name for one in _PRESETS])}")


def preset(name: str, **changes: Any) -> TrainConfig:
    """The settings of a preset, with changes. What the preset has that means nothing beside them has its default.

    Raises:
        ValueError, TypeError: there is no such preset, or the changes do not go with it.
    """
    config = CommonConfig(**get(name).settings | changes)
    return config.of(config.quantizer, **{name: value for name, value in changes.items() if name != "quantizer"})


def without_use(name: str, config: CommonConfig) -> dict[str, Any]:
    """The settings that ``config`` has from the preset and that mean nothing beside its others, with their defaults."""
    given = get(name).settings
    return {
        setting: getattr(CommonConfig, setting)
        for setting in ignored(config)
        if setting in given and getattr(config, setting) == given[setting]
    }
