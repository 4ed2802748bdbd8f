"""The peak memory of a piece of work, whoever allocates it: torch, NumPy or a compiled peer.

A profiler of Python's or torch's memory sees only its own allocator; the resident set of the process sees all. On Linux
the kernel keeps its high-water mark, exactly and at no cost, and lets a process reset its own. Elsewhere a thread looks
every few milliseconds, which can miss a short peak. Use a process of its own for each measurement: memory that was
freed but kept by an allocator would be used again unseen.
"""

import ctypes
import sys
import threading
from pathlib import Path
from types import TracebackType

import psutil

_INTERVAL = 0.002


class PeakMemory:
    """A context that measures how far the resident set of this process grows above its size at the start.

    Attributes:
        grown: bytes, valid after the context.
        sampled: True when a thread had to sample, so that a peak shorter than 2 ms may have been missed.
    """

    def __init__(self, sampled: bool | None = None) -> None:
        self.sampled = not _reset_high_water_mark() if sampled is None else sampled
        self.grown = 0

    def __enter__(self) -> "PeakMemory":
        _give_back()
        self._peak = self._start = psutil.Process().memory_info().rss
        if self.sampled:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        else:
            _reset_high_water_mark()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.sampled:
            self._stop.set()
            self._thread.join()
        else:
            self._peak = _high_water_mark()
        self.grown = max(0, self._peak - self._start)

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(_INTERVAL):
            self._peak = max(self._peak, process.memory_info().rss)


def _reset_high_water_mark() -> bool:
    """False where there is none to reset."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _high_water_mark() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")


def _give_back() -> None:
    """Makes the C library return what is free, so that using it again counts."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
