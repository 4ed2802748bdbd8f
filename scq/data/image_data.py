"""What every reader returns."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from scq.data.batching import to_float
from scq.data.dataset import Dataset


@dataclass(frozen=True)
class ImageData(Dataset):
    """Pictures for training, and held-out pictures for testing.

    Args:
        name: the name it was loaded by.
        train: training pictures, uint8, ``(N, 3, height, width)``.
        test: held-out pictures, uint8, ``(M, 3, height, width)``: never seen in training, not even in part.
        description: where the pictures came from and what was held out, one line for the report.

    Raises:
        TypeError: when a split is not a uint8 tensor.
        ValueError: when a split is empty or not colour pictures, or the two differ in size.
    """

    kind: ClassVar[str] = "pictures"

    name: str
    train: UInt8[Tensor, "N 3 height width"]
    test: UInt8[Tensor, "M 3 height width"]
    description: str

    def __post_init__(self) -> None:
        for split, images in (("train", self.train), ("test", self.test)):
            if not isinstance(images, Tensor) or images.dtype != torch.uint8:
                kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
                raise TypeError(f"{split} is {kind}, must be a tensor of torch.uint8")
            if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
                raise ValueError(f"{split} has shape {tuple(images.shape)}, must be (N >= 1, 3, height, width)")
        if self.train.shape[1:] != self.test.shape[1:]:
            sizes = f"{tuple(self.train.shape[1:])} and {tuple(self.test.shape[1:])}"
            raise ValueError(f"pictures in train and test have sizes {sizes}, must be of one size")

    def ready(self, examples: UInt8[Tensor, "B 3 height width"]) -> Float[Tensor, "B 3 height width"]:
        """As :func:`scq.data.to_float` makes them."""
        return to_float(examples)

    @property
    def variance(self) -> float:
        """Variance of all training pixels and channels at scale [0, 1]: what the reconstruction loss is divided by."""
        # From the histogram: exact, and no float copy of the whole set.
        counts = torch.bincount(self.train.reshape(-1), minlength=256).double()
        values = torch.arange(256, dtype=torch.float64, device=counts.device) / 255
        mean = counts @ values / counts.sum()
        return float(counts @ (values - mean) ** 2 / counts.sum())


def dataset_of(given: Dataset | tuple[Tensor, Tensor]) -> Dataset:
    """What was passed in as data: a data set, or a pair of tensors for training and testing.

    A pair of ``(N, 3, height, width)`` uint8 tensors is pictures, another one bare tensors.

    Raises:
        TypeError: something else.
        ValueError: a split that cannot be.
    """
    if isinstance(given, Dataset):
        return given
    if not isinstance(given, tuple) or [isinstance(split, Tensor) for split in given] != [True, True]:
        raise TypeError(f"data is a {type(given).__name__}, must be a Dataset or a pair of tensors, train and test")
    pictures = all(split.dtype == torch.uint8 and split.ndim == 4 for split in given)
    return (ImageData if pictures else Dataset)("given", *given, "passed in")
