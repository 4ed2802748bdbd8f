"""Work in a process of its own, which may die of it: a compiled package that does not fit the processor kills whoever
imports it, and no exception says so."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")

_LIMIT = 120.0
"""Seconds for one piece of work: the first solve of an installation compiles for some 13 of them on an idle machine."""


@dataclass(frozen=True)
class Failed:
    """What came instead of a result: an exception, or the end of the process."""

    why: str


def apart(works: Sequence[Callable[[], Any]], limit: float = _LIMIT) -> Iterator[Any]:
    """The result of each, as it comes, or :class:`Failed`. What comes after one that kills the process is done in a new
    one.

    Args:
        works: functions that another process can import, and so can their results be.
        limit: seconds for each, after which the process is killed.
    """
    left = list(works)
    while left:
        ours, theirs = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_work, args=(left, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            alive = True
            while left and alive:
                del left[0]
                result, alive = _next(ours, process, limit)
                yield result
        finally:
            process.kill()
            process.join()
            ours.close()


def _next(ours: Connection, process: SpawnProcess, limit: float) -> tuple[Any, bool]:
    """The result, and whether there is a process for the others."""
    try:
        if ours.poll(limit):
            return ours.recv(), True
        return Failed(f"no answer within {limit:g} s"), False
    except (EOFError, ConnectionError):
        process.join()
        code = process.exitcode or 0
        return Failed(f"killed by signal {-code}" if code < 0 else f"ended its process with code {code}"), False


def _work(works: Sequence[Callable[[], Any]], theirs: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to both; the other one ends this one
    for work in works:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  whatever a package raises that does not work is the answer
            result = Failed(said(error))
        theirs.send(result)


def said(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
