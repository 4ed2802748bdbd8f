"""What the processes of a distributed run share. Alone, a process has its own numbers."""

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
