"""What torch on CUDA refuses, what it launches a kernel for, and what it makes the host wait for.

Operators go by the names that dispatch knows them by. Tensors that are not on the CPU are those of the device.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def _named(*names: str) -> frozenset[str]:
    return frozenset(f"aten.{name}" for name in names)


_ASKS = _named(
    *("_local_scalar_dense", "equal", "is_nonzero", "_linalg_check_errors"),
    *("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount", "repeat_interleave"),
)
"""Operators whose result, or its shape, the host must know before it goes on."""

_NO_KERNEL = _named(
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
    *("_unsafe_view", "_reshape_alias", "detach", "lift_fresh"),
)
"""Operators that launch nothing, beside the views that their schema shows: they allocate, or look at memory."""

_COPIES, _INDEXES = _named("copy_", "_to_copy"), _named("index", "index_put", "index_put_")


def launches(operator: Any, name: str) -> bool:
    """Whether there is a kernel to launch. One operator counts as one, though some launch several."""
    return not (operator.is_view or name in _NO_KERNEL)


def mixed(name: str, args: Sequence[Any], tensors: Sequence[Tensor], there: bool) -> bool:
    """Whether it is refused, with one tensor at least on the device: a number on the CPU may go with that, or an
    index, or what is copied.

    Args:
        tensors: all that it is given.
        there: whether the result is on the device.
    """
    if name in _COPIES:
        return False
    if name in _INDEXES:
        return not _away(args[0]) or any(x.dim() and not _away(x) for x in args[2:3])
    return not there or any(x.dim() and not _away(x) for x in tensors)


def waits(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], there: bool) -> bool:
    """Whether the host waits: for an answer, or for a copy, also for one to the device, as of ``torch.tensor(1.0,
    device="cuda")``."""
    if name in _INDEXES:
        return _index_waits(name, args)
    if name == "aten._to_copy":
        return _away(args[0]) != there and not kwargs.get("non_blocking", False)
    if name == "aten.copy_":
        return _away(args[0]) != _away(args[1]) and not (len(args) > 2 and args[2])
    if name == "aten.where":
        # It copies a number to the device; most others hand it to their kernel.
        return not all(_away(x) for x in args)
    return name in _ASKS


def _index_waits(name: str, args: Sequence[Any]) -> bool:
    index = [x for x in args[1] if x is not None]
    if not all(_away(x) for x in index):
        return True
    masked = any(x.dtype in (torch.bool, torch.uint8) for x in index)
    # A number of the host goes where a mask is; anything else must know how many entries that has. Where codes are
    # numbers, it is the number that is copied.
    return masked if name == "aten.index" else masked == (_away(args[2]) or args[2].dim() > 0)


def _away(x: Tensor) -> bool:
    return x.device.type != "cpu"
