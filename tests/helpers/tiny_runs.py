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


def few(name: str, root: Path | None = None, size: int = 32) -> data.ImageData:
    """A few pictures in place of the real data."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (20, 3, size, size), dtype=torch.uint8, generator=generator)
    return data.ImageData(name, pictures, pictures[:12].clone(), "noise")
