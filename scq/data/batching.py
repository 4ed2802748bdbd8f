"""From stored uint8 pictures to the float batches that models see."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def to_float(images: UInt8[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """``x / 255 - 0.5``: float32 in [-0.5, 0.5], the range that models read and write.

    Raises:
        TypeError: when ``images`` is not uint8: floats may be scaled already, and scaling twice goes unnoticed.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"images has dtype {images.dtype}, must be torch.uint8")
    return images.float().div_(255).sub_(0.5)


def at_once(pictures: Any, number: int) -> int:
    """How many of these pictures have as many pixels as ``number`` of 32 x 32, at least one: that many fit the memory.

    Args:
        pictures: (N, channels, height, width), in memory or not.
        number: of small ones.
    """
    return max(1, number * 32**2 // (pictures.shape[2] * pictures.shape[3]))


class Batches(Iterator[Tensor], ABC):
    """Shuffled batches without end; every example once an epoch, and every batch full.

    Args:
        batch_size: examples a batch.
        ready: from stored examples to a batch.
    """

    def __init__(self, batch_size: int, ready: Callable[[Tensor], Tensor]) -> None:
        self._batch_size, self._ready = batch_size, ready
        self._part = (0, 1)

    def __next__(self) -> Tensor:
        return self._ready(self._taken())

    def divide(self, rank: int, world: int) -> None:
        """From here on each batch is this process's part of it, one of ``world`` that are equal in size."""
        self._part = rank, world

    @abstractmethod
    def _taken(self) -> Tensor:
        """The stored examples of the next batch, or of this process's part of it."""

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Where the order is."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where another object of the same examples and batch size was at :meth:`state_dict`."""

    def close(self) -> None:
        """Ends what reads ahead, if anything does."""


class TensorBatches(Batches):
    """Batches of examples in memory. :func:`batches` makes those of pictures.

    Args:
        examples: (N, ...).
        batch_size: examples a batch.
        generator: the only source of randomness, on the CPU.
        ready: from stored examples to a batch.
    """

    def __init__(
        self, examples: Tensor, batch_size: int, generator: torch.Generator, ready: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__(batch_size, ready)
        self._examples, self._generator = examples, generator
        self._waiting = torch.empty(0, dtype=torch.int64, device="cpu")

    def _taken(self) -> Tensor:
        while len(self._waiting) < self._batch_size:
            order = torch.randperm(len(self._examples), generator=self._generator, device="cpu")
            self._waiting = torch.cat([self._waiting, order])
        chosen, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
        rank, world = self._part
        return self._examples[chosen.chunk(world)[rank].to(self._examples.device)]

    def state_dict(self) -> dict[str, Tensor]:
        """The generator's state, and the numbers of the examples that still wait in this epoch."""
        return {"generator": self._generator.get_state(), "waiting": self._waiting.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._generator.set_state(state["generator"])
        self._waiting = state["waiting"].clone()


def batches(images: UInt8[Tensor, "N channels height width"], batch_size: int, generator: torch.Generator) -> Batches:
    """Shuffled batches without end; every picture once an epoch, and every batch full.

    The order depends on ``generator``, N and ``batch_size`` only, so two models fed from generators of equal seeds see
    the same batches, whatever else they draw. A batch may span two epochs; one larger than the data repeats pictures.

    Args:
        images: uint8, ``(N, channels, height, width)``, on any device; batches are made there.
        batch_size: pictures a batch, at least 1.
        generator: the only source of randomness, on the CPU, so that the order is the same on every device.

    Returns:
        An iterator of float32 in [-0.5, 0.5], ``(batch_size, channels, height, width)``. Its ``state_dict`` and
        ``load_state_dict`` let a later process go on with the same batches.

    Raises:
        TypeError: when ``images`` is not uint8 or ``generator`` is not a CPU ``torch.Generator``.
        ValueError: when there are no pictures or ``batch_size`` is below 1.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"images has dtype {images.dtype}, must be torch.uint8")
    if images.ndim != 4 or not len(images):
        raise ValueError(f"images has shape {tuple(images.shape)}, must be (N >= 1, channels, height, width)")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int):
        raise TypeError(f"batch_size is a {type(batch_size).__name__}, must be an int")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, must be at least 1")
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise TypeError(f"generator is {generator!r}, must be a torch.Generator on the CPU")
    return TensorBatches(images, batch_size, generator, to_float)
