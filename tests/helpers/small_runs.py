"""Small models on a few real photographs, for the tests of training."""

import dataclasses
import functools

from scq import data
from scq.training import TrainConfig

SMALL = TrainConfig(
    codebook_size=8,
    dim=4,
    width=8,
    residual_width=4,
    residual_layers=1,
    steps=4,
    batch_size=4,
    log_every=2,
    device="cpu",
)
VQGAN = {
    "model": "vqgan",
    "multipliers": (1, 1, 2),
    "residual_layers": 1,
    "width": 4,
    "disc_width": 4,
    "disc_start_share": 0.5,
    "perceptual": "none",
    "ema_decay": 0.9,
}
METHODS = ("scq", "scq_relaxed", "vq", "none")


@functools.cache
def few_photos() -> data.ImageData:
    """Every fortieth tile; real photographs all the same."""
    images = data.load("photos")
    return dataclasses.replace(images, train=images.train[::40], test=images.test[::40])


def config(tmp_path, quantizer=SMALL.quantizer, **changes):
    """Small settings, with these changed."""
    return SMALL.of(quantizer, out=tmp_path / "runs", **changes)


def kept(tmp_path, **changes):
    """A little longer, with checkpoints after steps 4, 8 and 12 of 14."""
    return config(tmp_path, **{"steps": 14, "checkpoint_every": 4, "gap": False, "trackers": (), **changes})
