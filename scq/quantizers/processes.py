"""What the processes of a distributed run share. Alone, a process has its own numbers."""

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed


def number() -> tuple[int, int]:
    """The number of this process, and of how many."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def total(value: Tensor) -> Tensor:
    """The sum of every process's ``value``, the same in all of them. ``value`` may be overwritten."""
    if number()[1] > 1:
        distributed.all_reduce(value)
    return value


def of_the_first(value: Tensor) -> Tensor:
    """The ``value`` of process 0, in all of them. ``value`` may be overwritten."""
    if number()[1] > 1:
        distributed.broadcast(value, src=0)
    return value


def gathered(rows: Shaped[Tensor, "mine *shape"]) -> Shaped[Tensor, "all *shape"]:
    """The rows of all processes in the order of their numbers, the same in all of them. Each may have any number."""
    if number()[1] == 1:
        return rows
    sizes = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(number()[1])]
    distributed.all_gather(sizes, torch.full_like(sizes[0], len(rows)))
    # Every process must send as much as the others.
    most = max(int(size) for size in sizes)
    padded = rows.new_zeros(most, *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in sizes]
    distributed.all_gather(parts, padded)
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)])
