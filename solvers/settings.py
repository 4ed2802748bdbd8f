"""What a layer tells its solver, and what becomes of latents without a solution."""

import warnings
from typing import Any, NamedTuple

from jaxtyping import Int
from torch import Tensor

from scq.solvers.errors import OnFailure
from scq.solvers.problem import Problem
from scq.solvers.solution import Solution
from scq.solvers.solving import solve
from scq.solvers.status import Status, failed_of
from scq.solvers.transforms import inspect


class SolverSettings(NamedTuple):
    """What :func:`scq.solvers.solve` is told besides the problem, and what happens to latents without a solution."""

    backend: str
    tol: float | None
    max_iter: int | None
    gradient: str | None
    options: dict[str, Any]
    on_failure: OnFailure

    def solve(self, problem: Problem) -> Solution:
        """Solves, and does with failures what the settings say.

        Raises:
            SolveError: ``on_failure="raise"``, and columns failed.
        """
        solution = solve(
            problem,
            self.backend,
            tol=self.tol,
            max_iter=self.max_iter,
            throw=self.on_failure == "raise",
            gradient=self.gradient,
            **self.options,
        )
        # Only here, since counting on the host waits for the device.
        if self.on_failure == "warn":
            inspect(_warn_of_failures, solution.status)
        return solution


def _warn_of_failures(status: Int[Tensor, " N"]) -> None:
    if failed := int(failed_of(status).sum()):
        counts = {s.name: n for s in Status if (n := int((status == s).sum()))}
        warnings.warn(
            f"{failed} of {status.shape[0]} latents were not solved; each holds its nearest codeword, with zero "
            f"gradient: {counts}",
            RuntimeWarning,
            stacklevel=3,
        )
