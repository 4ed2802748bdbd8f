"""What training knows of a data set."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


def spread(available: int, wanted: int) -> Tensor:
    """Numbers of at most ``wanted`` examples, evenly over those available: some that stand for all."""
    return torch.linspace(0, available - 1, min(available, wanted)).round().long()


@dataclass(frozen=True)
class Dataset:
    """Examples for training, and held-out ones for testing: a base for data of each kind, and itself of bare tensors.

    Args:
        name: the name it was loaded by.
        train: examples for training, along the first dimension.
        test: held-out examples: never seen in training, not even in part.
        description: where they came from and what was held out, one line for the report.

    Raises:
        TypeError: a split that is no tensor.
        ValueError: one without examples.

    Attributes:
        kind: what the examples are; a model says which kind it takes.
    """

    kind: ClassVar[str] = "tensors"

    name: str
    train: Tensor
    test: Tensor
    description: str

    def __post_init__(self) -> None:
        for split, examples in (("train", self.train), ("test", self.test)):
            if not isinstance(examples, Tensor):
                raise TypeError(f"{split} is a {type(examples).__name__}, must be a tensor")
            if not examples.ndim or not len(examples):
                raise ValueError(f"{split} has shape {tuple(examples.shape)}, must have at least 1 example")

    def ready(self, examples: Tensor) -> Tensor:
        """Stored examples as models take them."""
        return examples
