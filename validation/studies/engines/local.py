"""Workers on this machine: this process itself, or processes of their own."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

from scq.training.model import pick_device
from scq.validation.studies.engines.base import Workers


class Here(Workers):
    """This process, one piece of work after the other."""

    width = 1

    def submit(self, work: Callable[[Any], Any], item: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(item))
        except Exception as error:  # noqa: BLE001  as in a process: the future has it, and the others go on
            future.set_exception(error)
        return future

    def close(self) -> None:
        """There is nobody to let go."""


class Processes(Workers):
    """Processes that share the cores.

    Each is a pool of its own: one that dies, killed for want of memory, takes no other's work with it.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._threads = max(1, _cores() // width)
        self._pools = [self._pool() for _ in range(width)]
        self._busy: list[Future[Any] | None] = [None] * width

    def submit(self, work: Callable[[Any], Any], item: Any) -> Future[Any]:
        slot = next(number for number, future in enumerate(self._busy) if future is None or future.done())
        last = self._busy[slot]
        if last is not None and isinstance(last.exception(), BrokenProcessPool):
            self._pools[slot].shutdown(wait=False)
            self._pools[slot] = self._pool()
        self._busy[slot] = future = self._pools[slot].submit(work, item)
        return future

    def _pool(self) -> ProcessPoolExecutor:
        # Not fork: a copy of a process with threads may hang.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_start, initargs=(self._threads, os.getpid()))

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)


def _start(threads: int, parent: int) -> None:
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone: otherwise the runs of a killed study would go on, and a study that is
    resumed at once would meet them in its folders."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


_LOOK = 0.5
"""Seconds between two looks."""


def usable(device: str) -> int:
    """How many runs suit this machine at once: one for each core, or one on a GPU."""
    return 1 if pick_device(device).type == "cuda" else _cores()


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
