"""The solve of a soft convex layer: which solver, what becomes of its failures, and what the layer is told."""

import warnings
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq import solvers
from scq.quantizers.checks import OnFailure
from scq.quantizers.layout import spread
from scq.solvers.transforms import inspect, transformed
from scq.solvers.weights import Weights


class SolverSettings(NamedTuple):
    """What :func:`scq.solvers.solve` is told besides the problem, and what happens to latents without a solution."""

    backend: str
    tol: float | None
    max_iter: int | None
    gradient: str | None
    options: dict[str, Any]
    on_failure: OnFailure


class Solved(NamedTuple):
    """The solution of N latents, some of which may be padding.

    Attributes:
        weights: differentiable; 0 at padded positions.
        reconstruction: (N, F), weights times codebook, differentiable.
        anchor: the nearest codeword of each.
        status: codes of :class:`scq.solvers.Status`; SOLVED at padded positions.
        iterations: as the backend counts them; 0 at padded positions.
    """

    weights: Weights
    reconstruction: Float[Tensor, "N F"]
    anchor: Int[Tensor, " N"]
    status: Int[Tensor, " N"]
    iterations: Int[Tensor, " N"]

    @property
    def failed(self) -> Bool[Tensor, " N"]:
        """True where a latent holds its nearest codeword because it has no solution."""
        return self.status >= int(solvers.Status.MAX_ITER)


def solve_rows(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: float | Float[Tensor, ""],
    valid: Bool[Tensor, " N"] | None,
    settings: SolverSettings,
) -> Solved:
    """Solves the valid latents; the others are not looked at."""
    if valid is not None and transformed():
        return _solve_every_row(latents, codebook, lam, valid, settings)
    rows = latents if valid is None else latents[valid]
    solution = solution_of(solvers.Problem(rows, codebook, lam), settings)
    weights, anchor = solution.compact, solution.problem.anchor
    solved = Solved(weights, solution.reconstruction, anchor, solution.status, solution.iterations)
    if valid is None:
        return solved
    index = None if weights.index is None else spread(weights.index, valid)
    rest = (spread(part, valid) for part in solved[1:])
    return Solved(Weights(spread(weights.values, valid), index, weights.codewords), *rest)


def _solve_every_row(
    latents: Tensor, codebook: Tensor, lam: float | Tensor, valid: Tensor, settings: SolverSettings
) -> Solved:
    """The same with something solved at padded positions too: below vmap, how many are valid differs among samples."""
    solved = solve_rows(torch.where(valid[:, None], latents, codebook[0]), codebook, lam, None, settings)
    weights, *rest = solved
    weights = replace(weights, values=torch.where(valid[:, None], weights.values, 0.0))
    return Solved(weights, *(torch.where(valid.view(-1, *[1] * (x.dim() - 1)), x, 0) for x in rest))


def solution_of(problem: solvers.Problem, settings: SolverSettings) -> solvers.Solution:
    """Solves, and does with failures what the settings say.

    Raises:
        solvers.SolveError: ``on_failure="raise"``, and columns failed.
    """
    solution = solvers.solve(
        problem,
        settings.backend,
        tol=settings.tol,
        max_iter=settings.max_iter,
        throw=settings.on_failure == "raise",
        gradient=settings.gradient,
        **settings.options,
    )
    # Only here, since counting on the host waits for the device.
    if settings.on_failure == "warn":
        inspect(_warn_of_failures, solution.status)
    return solution


def _warn_of_failures(status: Int[Tensor, " N"]) -> None:
    if failed := int((status >= int(solvers.Status.MAX_ITER)).sum()):
        counts = {s.name: n for s in solvers.Status if (n := int((status == s).sum()))}
        warnings.warn(
            f"{failed} of {status.shape[0]} latents were not solved; each holds its nearest codeword, with zero "
            f"gradient: {counts}",
            RuntimeWarning,
            stacklevel=3,
        )
