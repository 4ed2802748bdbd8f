"""The smallest VQGAN, for the tests of it; as a script the training of one by a launcher of several processes: the
folder, and settings as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import scq
from scq.models import VQGAN
from scq.training import TrainConfig, train

SIZES = {"width": 4, "multipliers": (1, 2), "residual_layers": 1, "disc_width": 4}


def made(quantizer: str = "scq", **changes: Any) -> VQGAN:
    torch.manual_seed(0)
    return VQGAN(scq.quantizer(quantizer, 8, 4, channel_dim=1), dim=4, **{"perceptual": "none", **SIZES, **changes})


def pictures(number: int = 24) -> Tensor:
    """Of 8 x 8 pixels, smooth."""
    coarse = torch.randn(number, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, (8, 8), mode="bilinear", align_corners=True)
    return ((fine * 0.2 + 0.5).clamp(0, 1) * 255).to(torch.uint8)


def config(out: Path, **changes: Any) -> TrainConfig:
    about = {"model": "vqgan", "trackers": (), "device": "cpu", "out": out, "perceptual": "none", "ema_decay": 0.9}
    training = {"codebook_size": 8, "dim": 4, "batch_size": 4, "steps": 10, "log_every": 5, "checkpoint_every": 4}
    return TrainConfig(**about | SIZES | training | changes)


def data() -> tuple[Tensor, Tensor]:
    examples = pictures()
    return examples[:16], examples[16:]


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    train(config(Path(sys.argv[1]), **given | {"multipliers": (1, 2)}), progress=False, data=data())
