"""Times that can be compared: warmed up, repeated, and taken in turns with what they are compared with."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from scq.solvers.clock import now
from scq.validation.common.tables import NOTHING, Cell, number


@dataclass(frozen=True)
class Repeated:
    """A number that was measured several times: seconds, or what follows from them.

    Attributes:
        values: each measurement, in the order measured; at least one.
    """

    values: tuple[float, ...]

    @property
    def minimum(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def maximum(self) -> float:
        return max(self.values)

    @property
    def n(self) -> int:
        return len(self.values)

    def rate(self, count: int) -> "Repeated":
        """How many a second, where these are the seconds that ``count`` of them took."""
        return Repeated(tuple(count / value for value in self.values))

    def over(self, other: "Repeated") -> "Repeated":
        """The ratio of each measurement to the one of the same round."""
        return Repeated(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def words(self, digits: int = 3, scale: float = 1.0) -> str:
        """Median, and the smallest and the largest: ``11.2 (10.9 to 14.0)``."""
        low, middle, high = (number(x, digits, scale).text for x in (self.minimum, self.median, self.maximum))
        return f"{middle} ({low} to {high})"


def repeated(values: Sequence[float]) -> Repeated | None:
    """The measurements, or None where there are fewer than two: one alone has no spread, and is no measurement."""
    return Repeated(tuple(values)) if len(values) > 1 else None


def pooled(parts: Iterable[Repeated]) -> Repeated:
    """All measurements together, as of several rounds or runs."""
    return Repeated(tuple(value for part in parts for value in part.values))


def distinguishable(a: Repeated, b: Repeated) -> bool:
    """Whether two measurements tell which is larger: only where their ranges have nothing in common."""
    return min(a.n, b.n) > 1 and (a.maximum < b.minimum or b.maximum < a.minimum)


def alike(measured: Mapping[str, Repeated]) -> list[tuple[str, str]]:
    """The pairs of names that cannot be told apart."""
    names = list(measured)
    return [
        (one, other)
        for at, one in enumerate(names)
        for other in names[at + 1 :]
        if not distinguishable(measured[one], measured[other])
    ]


def cell(measured: Repeated | None, digits: int = 3, scale: float = 1.0) -> Cell:
    """Median and range in a table, sorted by the median; a dash where there is no measurement."""
    return Cell(NOTHING) if measured is None else Cell(measured.words(digits, scale), measured.median * scale)


def in_turns(
    works: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    warm: int = 1,
    limit: float = math.inf,
    clock: Callable[[torch.device], float] = now,
) -> dict[str, tuple[float, ...]]:
    """Seconds of each piece of work in each round, A B C A B C ...: a machine that slows down slows all of them.

    Args:
        works: what is timed, by name, in the order in which they take turns.
        rounds: how many are counted.
        device: on which they work; it has done all that it was asked before the clock is read.
        warm: rounds before, which are not counted: the first call also pays for allocations and compilation.
        limit: seconds after which no further round is begun; the first one is always counted.
        clock: reads seconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(warm):
        for work in works.values():
            work()
    end = time.perf_counter() + limit
    for turn in range(rounds):
        if turn and time.perf_counter() >= end:
            break
        for name, work in works.items():
            start = clock(device)
            work()
            seconds[name].append(clock(device) - start)
    return {name: tuple(values) for name, values in seconds.items()}


def circumstances() -> dict[str, Any]:
    """What else bears on a time: torch's threads, and the load of the machine before it (runnable processes, mean over
    a minute)."""
    return {"threads": torch.get_num_threads(), "load": round(psutil.getloadavg()[0], 2)}
