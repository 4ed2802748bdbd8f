"""Timing on devices that work while the host goes on."""

import time

import torch


def now(device: torch.device) -> float:
    """Seconds, once the device has done all that it was asked: what comes next does not pay for what came before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class Clock:
    """Runs from its making to :meth:`stop`; on CUDA by events, so that only reading it synchronises."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device.type == "cuda" else None
        self._elapsed = 0.0
        if self._events:
            # Of that device: by itself an event is one of the device that is current.
            self._events[0].record(torch.cuda.current_stream(device))
        self._start = time.perf_counter()

    def stop(self) -> "Clock":
        self._elapsed = time.perf_counter() - self._start
        if self._events:
            self._events[1].record(torch.cuda.current_stream(self._device))
        return self

    @property
    def seconds(self) -> float:
        if self._events:
            self._events[1].synchronize()
            return self._events[0].elapsed_time(self._events[1]) / 1e3
        return self._elapsed
