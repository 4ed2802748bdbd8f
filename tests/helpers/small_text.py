"""Small autoencoders of text, on four words."""

from pathlib import Path

import torch

from scq.data.text_data import TextData
from scq.training import CommonConfig, TrainConfig

SMALL = {"codebook_size": 8, "dim": 4, "width": 8, "steps": 6, "batch_size": 4, "log_every": 2, "trackers": ()}


def words(number: int, seed: int = 0) -> TextData:
    """Words of three letters, so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    letters = torch.tensor(list(b"cat dog sun sea "), dtype=torch.uint8).reshape(4, 4)
    windows = letters[torch.randint(4, (number, 8), generator=generator)].flatten(1)
    return TextData("words", windows[8:], windows[:8], "words")


def of_text(tmp_path: Path, quantizer: str = "scq", **changes) -> TrainConfig:
    return CommonConfig(model="text", data="topics", device="cpu", out=tmp_path, **SMALL).of(quantizer, **changes)
