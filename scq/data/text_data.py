"""What readers of text return."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from scq.data.dataset import Dataset


@dataclass(frozen=True)
class TextData(Dataset):
    """Windows of text for training, and held-out ones for testing. A character is a byte of UTF-8: of English text a
    letter, of other scripts a part of one.

    Args:
        name: the name it was loaded by.
        train: uint8, ``(N, length)``.
        test: uint8, ``(M, length)``: never seen in training, not even in part.
        description: where the text came from and what was held out, one line for the report.

    Raises:
        TypeError: when a split is not a uint8 tensor.
        ValueError: when a split is empty or no windows, or the two differ in length.
    """

    kind: ClassVar[str] = "text"

    name: str
    train: UInt8[Tensor, "N length"]
    test: UInt8[Tensor, "M length"]
    description: str

    def __post_init__(self) -> None:
        super().__post_init__()
        for split, windows in (("train", self.train), ("test", self.test)):
            if windows.dtype != torch.uint8:
                raise TypeError(f"{split} is {windows.dtype}, must be a tensor of torch.uint8, the bytes of UTF-8")
            if windows.ndim != 2 or not windows.numel():
                raise ValueError(f"{split} has shape {tuple(windows.shape)}, must be (N >= 1, length)")
        if self.train.shape[1] != self.test.shape[1]:
            lengths = f"{self.train.shape[1]} and {self.test.shape[1]}"
            raise ValueError(f"windows in train and test have lengths {lengths}, must be of one length")

    def ready(self, examples: UInt8[Tensor, "B length"]) -> Int64[Tensor, "B length"]:
        """The numbers of the characters, as embeddings and cross-entropies take them."""
        return examples.long()
