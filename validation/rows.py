"""The typed rows of a comparison of backends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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
        outcome: of the whole row. A column that fails does not make it fail: see ``statuses``.
        note: why something was not measured.
        gradient: ``"implicit"`` or ``"native"``, the backend's default.
        forward, backward: median seconds a column. Forward makes the problem, solves it and combines the codewords.
        repeats: how many timings the medians are of.
        memory: bytes by which the process grew at most during one forward and backward of all columns.
        kkt_max, kkt_median: relative KKT residual over columns.
        certificate: the largest upper bound of ||p - p*|| that the weights prove by themselves.
        weights_error_max, weights_error_median: ||p - p*|| over columns.
        latents_gradient_error, codebook_gradient_error: ``||G - G*|| / ||G*||`` of dL/dZ and dL/dC.
        one_sided: columns left out of the errors of the gradients.
        iterations: mean over columns, as the backend counts them.
        statuses: columns by the name of their ``solvers.Status``.
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
    gradient: str | None = None
    forward: float | None = None
    backward: float | None = None
    repeats: int | None = None
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

    @property
    def failures(self) -> dict[str, int]:
        """The statuses of columns that have no solution."""
        return {name: n for name, n in self.statuses.items() if name not in ("SOLVED", "APPROXIMATE")}

    @property
    def total(self) -> float | None:
        """Seconds a column, forward and backward."""
        return None if self.forward is None or self.backward is None else self.forward + self.backward
