"""What :func:`scq.solvers.solve` returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.solvers.clock import Clock
from scq.solvers.errors import SolveError
from scq.solvers.problem import Problem
from scq.solvers.residuals import Residuals, kkt_residuals
from scq.solvers.status import Status, failed_of
from scq.solvers.weights import Weights


def combine(problem: Problem, weights: Weights) -> Float[Tensor, "N F"]:
    """weights @ codebook, in float32 or better."""
    dtype = torch.promote_types(problem.latents.dtype, torch.float32)
    with torch.autocast(problem.latents.device.type, enabled=False):
        return weights.to(dtype).combine(problem.codebook.to(dtype))


@dataclass(frozen=True)
class Solution:
    """The weights of N columns and how they were found.

    Attributes:
        problem: the problem that was solved.
        backend: the name of the backend.
        compact: the weights, in the dtype of the latents, as codeword numbers ``compact.index`` and
            ``compact.values``, each (N, S) with S the largest support; differentiable with respect to latents,
            codebook, lam and a dense anchor (unless ``gradient="none"``). A failed column holds its anchor, with zero
            gradient.
        status: (N,) codes of :class:`scq.solvers.Status`, judged before the weights were rounded to the latents' dtype.
        iterations: (N,) iterations, as the backend counts them.
        errors: what the backend raised, by column; empty when nothing was.
        combined: what ``reconstruction`` is, where solving has computed it.
        history: the residuals of every iteration, each (T, N), where ``history=True`` was asked for.
    """

    problem: Problem
    backend: str
    compact: Weights
    status: Int[Tensor, " N"]
    iterations: Int[Tensor, " N"]
    clock: Clock
    combined: Float[Tensor, "N F"] | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    history: Residuals | None = None

    @property
    def solve_time(self) -> float:
        """Seconds that the forward solve took."""
        return self.clock.seconds

    @cached_property
    def weights(self) -> Float[Tensor, "N K"]:
        """(N, K), built when first asked for, differentiable as ``compact`` is."""
        return self.compact.dense()

    @cached_property
    def reconstruction(self) -> Float[Tensor, "N F"]:
        """weights @ codebook, (N, F), differentiable. Summed in float32 or better."""
        combined = combine(self.problem, self.compact) if self.combined is None else self.combined
        return combined.to(self.problem.latents.dtype)

    @property
    def converged(self) -> Bool[Tensor, " N"]:
        """(N,) True where the status is SOLVED. The relaxation never is: it has no tolerance to reach."""
        return self.status == Status.SOLVED

    @property
    def failed(self) -> Bool[Tensor, " N"]:
        """(N,) True where the column holds its anchor because it has no solution."""
        return failed_of(self.status)

    @cached_property
    def residuals(self) -> Residuals:
        """The certificate of the weights as returned, computed when first asked for."""
        return kkt_residuals(self.problem, self.compact.detach())

    @property
    def weakly_active(self) -> Int[Tensor, " N"]:
        """(N,) codewords whose weight and multiplier are both near zero. Where there are any, the solution map has only
        one-sided derivatives; the gradient counts these codewords as off."""
        return self.residuals.weakly_active

    def __repr__(self) -> str:
        N, F, K = self.problem.shape
        counts = {s.name: n for s in Status if (n := int((self.status == s).sum()))}
        return f"Solution(backend={self.backend!r}, N={N}, F={F}, K={K}, status={counts}, {self.solve_time:.3g} s)"


def failure(solution: Solution) -> SolveError:
    """What is raised of a solution with columns that failed: how many of each kind, and what to do."""
    lines = []
    for status in Status:
        columns = (solution.status == status).nonzero().flatten().tolist()
        if status.is_failure and columns:
            first = ", ".join(map(str, columns[:5])) + (", ..." if len(columns) > 5 else "")
            lines.append(f"{len(columns)} of {solution.status.shape[0]} columns ({first}): {status.message}")
    lines += [f"Column {column} raised {text}" for column, text in list(solution.errors.items())[:3]]
    return SolveError(f"backend {solution.backend!r} failed. " + "\n".join(lines), solution)


@dataclass(frozen=True)
class Solved:
    """What a layer needs of a :class:`Solution`, where there is none: in a graph, which has no checked problem, or of N
    latents of which some are padding.

    Attributes:
        weights: differentiable.
        reconstruction: weights times codebook, differentiable.
        anchor: the problem's: of a layer the nearest codeword of each.
        status, iterations: as a solution has them.
    """

    weights: Weights
    reconstruction: Float[Tensor, "N F"]
    anchor: Int[Tensor, " N"] | Float[Tensor, "N K"]
    status: Int[Tensor, " N"]
    iterations: Int[Tensor, " N"]

    @property
    def failed(self) -> Bool[Tensor, " N"]:
        """True where a latent holds its nearest codeword because it has no solution."""
        return failed_of(self.status)

    @staticmethod
    def of(solution: Solution) -> "Solved":
        """That of a solution."""
        found = solution.compact, solution.reconstruction, solution.problem.anchor
        return Solved(*found, solution.status, solution.iterations)

    def each(self, function: Callable[[Tensor], Tensor]) -> "Solved":
        """The same with the function of each of its arrays, whose first index is that of the latents."""
        weights, rest = self.weights, (self.reconstruction, self.anchor, self.status, self.iterations)
        index = None if weights.index is None else function(weights.index)
        return Solved(Weights(function(weights.values), index, weights.codewords), *[function(x) for x in rest])
