"""The smallest runs that train, on noise: for tests of what is around the training."""

from pathlib import Path

import torch

from scq import data

TINY = {
    "steps": 2,
    "batch_size": 4,
    "width": 8,
    "residual_width": 4,
    "residual_layers": 1,
    "dim": 4,
    "codebook_size": 8,
}


def few(name: str, root: Path | None = None) -> data.ImageData:
    """A few pictures in place of the real data."""
    pictures = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return data.ImageData(name, pictures, pictures[:12].clone(), "noise")
