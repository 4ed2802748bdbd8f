"""What a run costs: the time of a forward pass and of a training step, and the memory of the latter."""

import statistics
from collections.abc import Callable
from typing import Any

import torch

from scq.autoencoder import Autoencoder
from scq.solvers.clock import now
from scq.validation.memory import PeakMemory
from scq.validation.studies.measures import Trained

_REPEATS = 7
_PICTURES = 64


def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        step_seconds: median time of a training step of the run's batch, forward and backward.
        pictures_per_second: of the forward pass in evaluation, 64 pictures at a time, from the median time.
        memory: bytes at the peak of one training step above what the process had before it.
    """
    device, model = trained.device, trained.model()
    # What the pictures show changes nothing in what is allocated, and little in the time.
    generator = torch.Generator().manual_seed(0)
    pictures = (torch.rand(max(_PICTURES, trained.config.batch_size), 3, 32, 32, generator=generator) - 0.5).to(device)

    def forward() -> None:
        with torch.no_grad():
            model(pictures[:_PICTURES])

    def step() -> None:
        _step(model, pictures[: trained.config.batch_size])

    seconds = _median(forward, device)
    model.train()
    return {
        "pictures_per_second": _PICTURES / seconds,
        "step_seconds": _median(step, device),
        "memory": _memory(step, device),
    }


def _step(model: Autoencoder, pictures: torch.Tensor) -> None:
    output = model(pictures)
    (output.reconstruction.square().mean() + output.quantized.loss).backward()
    model.zero_grad(set_to_none=True)


def _median(work: Callable[[], None], device: torch.device) -> float:
    work()  # the first call also pays for allocations
    times = []
    for _ in range(_REPEATS):
        start = now(device)
        work()
        times.append(now(device) - start)
    return statistics.median(times)


def _memory(work: Callable[[], None], device: torch.device) -> int:
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with PeakMemory() as memory:
        work()
    return memory.grown
