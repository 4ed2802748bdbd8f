"""Checks of values for which the host does not wait.

On the CPU a value is looked at when the check is made. On a GPU that would hold up the host until all is done
that the device was asked for: the value is copied in the background, and looked at with the next check on that device,
or where numbers are read anyway (:func:`settle`). The error then says which step it belongs to.

A CUDA graph is captured once and replayed without the host: what is checked in it, the runs before its capture check.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from scq.solvers.transforms import inspect, transformed

_AT_ONCE = ("cpu", "mps")
"""The CPU, and a device whose copies to it are not there yet when an event after them is."""

_STEP: ContextVar[int | None] = ContextVar("step", default=None)


class _Check(NamedTuple):
    step: int | None
    facts: Tensor
    copied: torch.Event
    verdict: Callable[[Tensor], None]


_PENDING: dict[torch.device, deque[_Check]] = {}


def check(verdict: Callable[[Tensor], None], facts: Tensor) -> None:
    """verdict(facts): on the CPU or in a transform now, on a GPU once the device has come so far.

    Args:
        verdict: looks at facts on the CPU, and raises ValueError.
        facts: few numbers, on the device that they are of.

    Raises:
        ValueError: the verdict's; or that of an earlier check, which names the step that it belongs to.
    """
    facts, device = facts.detach(), facts.device
    if device.type in _AT_ONCE or transformed():
        inspect(verdict, facts)
        return
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return
    settle(device, earlier=True)
    found = facts.to("cpu", non_blocking=True)
    _PENDING.setdefault(device, deque()).append(_Check(_STEP.get(), found, _recorded(device), verdict))


def _recorded(device: torch.device) -> torch.Event:
    """An event after all that the device was asked for so far."""
    if device.type == "cuda":
        # Of that device: by itself an event is one of the device that is current.
        return torch.cuda.current_stream(device).record_event()
    event = torch.Event(device=device)
    event.record()
    return event


def settle(device: torch.device, wait: bool = False, earlier: bool = False) -> None:
    """Looks at what is known of the checks on a device; with ``wait`` at all of them.

    Args:
        device: with its number, as tensors have it.
        earlier: they belong to something before what the caller does, which the error says.

    Raises:
        ValueError: of the first that is not passed. Those after it are dropped.
    """
    pending = _PENDING.get(device)
    while pending:
        try:
            one = pending.popleft()
        except IndexError:  # another thread has looked at it
            return
        if not one.copied.query():
            if not wait:
                pending.appendleft(one)
                return
            one.copied.synchronize()
        try:
            one.verdict(one.facts)
        except ValueError as error:
            pending.clear()
            where = f"an earlier problem on {device}: " if earlier else ""
            raise ValueError(f"{where if one.step is None else f'step {one.step}: '}{error}") from None


@contextmanager
def of_step(number: int) -> Iterator[None]:
    """Checks that are made within belong to the training step of that number."""
    token = _STEP.set(number)
    try:
        yield
    finally:
        _STEP.reset(token)
