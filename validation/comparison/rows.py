"""The typed rows of a comparison of backends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from scq.validation.common.measuring.timing import Repeated, distinguishable, repeated
from scq.validation.common.tables import number


class Outcome(StrEnum):
    """How a row came to be."""

    OK = "ok"
    MISSING = "missing"
    TIME_LIMIT = "time limit"
    FAILED = "failed"


@dataclass(frozen=True)
class Row:
    """One backend on one problem. What was not measured is None; ``note`` says why.

    Errors are against the certified reference, over the columns that did not fail; those of gradients also leave out
    the columns whose solution map has only one-sided derivatives. Gradients are those of sum(V * z_q), V ~ N(0, 1).

    Attributes:
        backend, family, dtype, lam: what was solved, by whom.
        columns, features, codewords: N, F, K; N as solved.
        variant: in which way of its registry entry, ``variants``; empty for the settings that are ours.
        preset: the tolerance preset; empty where the backend had its own default.
        tol: the relative KKT residual that was asked for. A variant is asked for nothing, and only held against it.
        step: of the training run, where the problem was dumped there.
        outcome: of the whole row. A column that fails does not make it fail: see ``statuses``.
        note: why something was not measured.
        gradient: ``"implicit"`` or ``"native"``, the backend's default.
        forward, backward: median seconds a column. Forward makes the problem, solves it and combines the codewords.
        repeats: how many timings the medians are of.
        forwards, backwards: those timings, in the order measured. Empty in a file from before they were kept.
        rounds: in how many processes they were tried, each after all others of the round before.
        memory: bytes by which the process grew at most during one forward and backward of all columns.
        kkt_max, kkt_median: relative KKT residual over columns.
        certificate: the largest upper bound of ||p - p*|| that the weights prove by themselves.
        weights_error_max, weights_error_median: ||p - p*|| over columns.
        latents_gradient_error, codebook_gradient_error: ``||G - G*|| / ||G*||`` of dL/dZ and dL/dC.
        one_sided: columns left out of the errors of the gradients.
        iterations: mean over columns, as the backend counts them.
        statuses: columns by the name of their ``solvers.Status``.
        within: columns whose weights, as returned, have a relative KKT residual of at most ``tol``; in float32 of at
            most 1e-6 where that is more. None where there is no tolerance.
        curve: for growing numbers k of iterations, (k, median, largest) relative KKT residual over the first columns
            when the backend is stopped after k.
    """

    backend: str
    family: str
    dtype: str
    lam: float
    columns: int
    features: int
    codewords: int
    outcome: Outcome
    note: str = ""
    variant: str = ""
    preset: str = ""
    tol: float | None = None
    step: int | None = None
    gradient: str | None = None
    forward: float | None = None
    backward: float | None = None
    repeats: int | None = None
    forwards: Sequence[float] = ()
    backwards: Sequence[float] = ()
    rounds: int | None = None
    memory: int | None = None
    kkt_max: float | None = None
    kkt_median: float | None = None
    certificate: float | None = None
    weights_error_max: float | None = None
    weights_error_median: float | None = None
    latents_gradient_error: float | None = None
    codebook_gradient_error: float | None = None
    one_sided: int | None = None
    iterations: float | None = None
    statuses: Mapping[str, int] = field(default_factory=dict)
    within: int | None = None
    curve: Sequence[Sequence[float | int]] = ()

    @property
    def title(self) -> str:
        """The backend, and in which way where that is not ours."""
        return f"{self.backend} ({self.variant})" if self.variant else self.backend

    @property
    def label(self) -> str:
        """The same with its tolerance preset."""
        return f"{self.title}, {self.preset}" if self.preset else self.title

    @property
    def where(self) -> str:
        """The problem, in short."""
        step = "" if self.step is None else f" of step {self.step}"
        return f"{self.family}{step} (F {self.features}, K {self.codewords}), {self.dtype}"

    @property
    def failures(self) -> dict[str, int]:
        """The statuses of columns that have no solution."""
        return {name: n for name, n in self.statuses.items() if name not in ("SOLVED", "APPROXIMATE")}

    @property
    def timing(self) -> Repeated | None:
        """Seconds a column, forward and backward; None where it has no spread, as from before repeats were kept."""
        return repeated([a + b for a, b in zip(self.forwards, self.backwards, strict=True)])

    @property
    def total(self) -> float | None:
        """The median of that; of an older file the sum of both medians."""
        if self.timing is not None:
            return self.timing.median
        return None if self.forward is None or self.backward is None else self.forward + self.backward

    @property
    def microseconds(self) -> str:
        """That in words, with its range."""
        if self.timing is not None:
            return f"{self.timing.words(scale=1e6)} µs"
        return f"{number(self.total, scale=1e6).text} µs (spread not kept)"


def told_apart(a: Row, b: Row) -> bool:
    """Whether the times of two rows tell which is the faster."""
    return a.timing is not None and b.timing is not None and distinguishable(a.timing, b.timing)


def read_rows(content: Mapping[str, Any]) -> list[Row]:
    """The rows of a compare.json."""
    outcomes = {outcome.value: outcome for outcome in Outcome}
    return [Row(**line | {"outcome": outcomes[line["outcome"]]}) for line in content.get("rows", [])]
