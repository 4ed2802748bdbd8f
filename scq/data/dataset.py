"""What training knows of a data set."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scq.data.batching import Batches, TensorBatches


class LazyExamples(ABC):
    """Examples that are read when they are looked at: as much of a tensor as training, evaluation and
    reports use of one.

    Each of ``[numbers]`` and ``split`` gives tensors. Where files that cannot be read are left out, these have fewer
    examples than were asked for.
    """

    @property
    @abstractmethod
    def shape(self) -> torch.Size:
        """That of the tensor of all of them."""

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, numbers: Tensor | slice) -> Tensor:
        """Those of these numbers, in memory."""

    @abstractmethod
    def narrow(self, dimension: int, start: int, length: int) -> "LazyExamples":
        """``length`` of them from ``start`` on; ``dimension`` is 0. None is read."""

    @abstractmethod
    def split(self, size: int) -> Iterable[Tensor]:
        """All of them, ``size`` at a time."""

    @abstractmethod
    def batches(self, batch_size: int, generator: torch.Generator, ready: Callable[[Tensor], Tensor]) -> Batches:
        """Those to train on; arguments as of :class:`scq.data.batching.TensorBatches`."""


Examples = Tensor | LazyExamples


def spread(available: int, wanted: int) -> Tensor:
    """Numbers of at most ``wanted`` examples, evenly over those available: some that stand for all."""
    return torch.linspace(0, available - 1, min(available, wanted), dtype=torch.float32, device="cpu").round().long()


@dataclass(frozen=True)
class Dataset:
    """Examples for training, and held-out ones for testing: a base for data of each kind, and itself of bare tensors.

    Args:
        name: the name it was loaded by.
        train: examples for training, along the first dimension, in memory or read when they are looked at.
        test: held-out examples: never seen in training, not even in part.
        description: where they came from and what was held out, one line for the report.

    Raises:
        TypeError: a split that is neither a tensor nor LazyExamples.
        ValueError: one without examples.

    Attributes:
        kind: what the examples are; a model says which kind it takes.
    """

    kind: ClassVar[str] = "tensors"

    name: str
    train: Examples
    test: Examples
    description: str

    def __post_init__(self) -> None:
        for split, examples in (("train", self.train), ("test", self.test)):
            if not isinstance(examples, Examples):
                raise TypeError(f"{split} is a {type(examples).__name__}, must be a tensor")
            if not examples.shape or not len(examples):
                raise ValueError(f"{split} has shape {tuple(examples.shape)}, must have at least 1 example")

    def ready(self, examples: Tensor) -> Tensor:
        """Stored examples as models take them."""
        return examples

    def batches(self, batch_size: int, generator: torch.Generator) -> Batches:
        """Shuffled batches of the training examples without end, as models take them."""
        if isinstance(self.train, LazyExamples):
            return self.train.batches(batch_size, generator, self.ready)
        return TensorBatches(self.train, batch_size, generator, self.ready)

    @property
    def left_out(self) -> int:
        """Files that could not be read, and were left out, so far."""
        return 0
