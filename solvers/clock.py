"""Timing that does not make the host wait for the device."""

import time

import torch


class Clock:
    """Runs from its making to :meth:`stop`; on CUDA by events, so that only reading it synchronises."""

    def __init__(self, device: torch.device) -> None:
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device.type == "cuda" else None
        self._elapsed = 0.0
        if self._events:
            self._events[0].record()
        self._start = time.perf_counter()

    def stop(self) -> "Clock":
        self._elapsed = time.perf_counter() - self._start
        if self._events:
            self._events[1].record()
        return self

    @property
    def seconds(self) -> float:
        if self._events:
            self._events[1].synchronize()
            return self._events[0].elapsed_time(self._events[1]) / 1e3
        return self._elapsed
