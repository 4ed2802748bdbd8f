"""Files of pictures for a model, and of a model."""

from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from scq.codes.kinds import Some
from scq.data.batching import at_once, to_float
from scq.data.left_out import OnBadFile
from scq.data.pictures import check_size, is_picture, read_pictures
from scq.data.registry import GIVEN
from scq.data.tree import open_tree
from scq.training.config import TrainConfig

_AT_ONCE = 64
"""Pictures of 32 x 32 that are encoded together."""


def read(folder: Path, config: TrainConfig, size: int | None, on_bad_file: OnBadFile) -> Iterator[Some]:
    """All pictures of a folder or zip archive, in the order of their names: the middle squares, resized.

    Raises:
        FileNotFoundError: the folder is not there, or has no pictures.
        ValueError: a picture cannot be read, and is not to be left out; or no size is known.
    """
    if size is None and config.data == GIVEN:
        raise ValueError("size is None, must be given: the run was trained on data that was passed in from Python")
    size = config.size if size is None else size
    check_size(size)
    together = at_once(torch.empty(0, 3, size, size), _AT_ONCE)
    with open_tree(folder) as tree:
        names = [name for name in tree.names if is_picture(name)]
        if not names:
            raise FileNotFoundError(f"folder is '{folder}', which has no pictures, must have some")
        for start in range(0, len(names), together):
            some, bad = names[start : start + together], {}
            pictures = read_pictures(tree, some, size, bad if on_bad_file == "skip" else None)
            kept = [name for number, name in enumerate(some) if number not in bad]
            yield Some(kept, to_float(pictures), (start + len(some), len(names)), list(bad.values()))


def write(path: Path, example: Tensor) -> None:
    """A picture about in [-0.5, 0.5], (3, H, W), as PNG."""
    pixels = ((example + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy()).save(path, "PNG")
