"""What every reader returns."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from scq.data.batching import to_float
from scq.data.dataset import Dataset
from scq.data.lazy import LazyPictures

SAMPLED = 512
"""Pictures on the disk of which the variance is taken."""


@dataclass(frozen=True)
class ImageData(Dataset):
    """Pictures for training, and held-out pictures for testing.

    Args:
        name: the name it was loaded by.
        train: training pictures, uint8, ``(N, 3, height, width)``, in memory or on the disk.
        test: held-out pictures, uint8, ``(M, 3, height, width)``: never seen in training, not even in part.
        description: where the pictures came from and what was held out, one line for the report.

    Raises:
        TypeError: when a split is neither a uint8 tensor nor LazyPictures.
        ValueError: when a split is empty or not colour pictures, or the two differ in size.
    """

    kind: ClassVar[str] = "pictures"

    name: str
    train: UInt8[Tensor, "N 3 height width"] | LazyPictures
    test: UInt8[Tensor, "M 3 height width"] | LazyPictures
    description: str

    def __post_init__(self) -> None:
        for split, images in (("train", self.train), ("test", self.test)):
            if not isinstance(images, LazyPictures) and (not isinstance(images, Tensor) or images.dtype != torch.uint8):
                kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
                raise TypeError(f"{split} is {kind}, must be a tensor of torch.uint8")
            if len(images.shape) != 4 or images.shape[1] != 3 or not images.shape.numel():
                raise ValueError(f"{split} has shape {tuple(images.shape)}, must be (N >= 1, 3, height, width)")
        if self.train.shape[1:] != self.test.shape[1:]:
            sizes = f"{tuple(self.train.shape[1:])} and {tuple(self.test.shape[1:])}"
            raise ValueError(f"pictures in train and test have sizes {sizes}, must be of one size")

    def ready(self, examples: UInt8[Tensor, "B 3 height width"]) -> Float[Tensor, "B 3 height width"]:
        """As :func:`scq.data.to_float` makes them."""
        return to_float(examples)

    @property
    def left_out(self) -> int:
        """Files that could not be read, and were left out, so far: those on the disk that were looked at."""
        return len(self.train.left_out.reasons) if isinstance(self.train, LazyPictures) else 0

    @cached_property
    def variance(self) -> float:
        """Variance of all training pixels and channels at scale [0, 1]: what the reconstruction loss is divided by.

        Of pictures on the disk it is that of the middle squares of SAMPLED of them, the same ones every time.
        """
        train = self.train
        if isinstance(train, LazyPictures):
            order = torch.randperm(len(train), generator=torch.Generator("cpu").manual_seed(0), device="cpu")
            train = train[order[:SAMPLED]]
        # From the histogram: exact, and no float copy of the whole set.
        counts = torch.bincount(train.reshape(-1), minlength=256).double()
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
