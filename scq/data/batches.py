"""From stored uint8 pictures to the float batches that models see."""

from collections.abc import Iterator

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


def batches(
    images: UInt8[Tensor, "N channels height width"], batch_size: int, generator: torch.Generator
) -> Iterator[Float[Tensor, "batch_size channels height width"]]:
    """Shuffled batches without end; every picture once an epoch, and every batch full.

    The order depends on ``generator``, N and ``batch_size`` only, so two models fed from generators of equal seeds see
    the same batches, whatever else they draw. A batch may span two epochs; one larger than the data repeats pictures.

    Args:
        images: uint8, ``(N, channels, height, width)``, on any device; batches are made there.
        batch_size: pictures a batch, at least 1.
        generator: the only source of randomness, on the CPU, so that the order is the same on every device.

    Yields:
        float32 in [-0.5, 0.5], ``(batch_size, channels, height, width)``.

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
    # The generator function is apart, so that bad arguments raise here and not at the first batch.
    return _endless(images, batch_size, generator)


def _endless(images: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    waiting = torch.empty(0, dtype=torch.int64)
    while True:
        while len(waiting) < batch_size:
            waiting = torch.cat([waiting, torch.randperm(len(images), generator=generator)])
        chosen, waiting = waiting[:batch_size], waiting[batch_size:]
        yield to_float(images[chosen.to(images.device)])
