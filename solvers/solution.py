"""What :func:`solvers.solve` returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from solvers.clock import Clock
from solvers.problem import Problem
from solvers.residuals import Residuals, kkt_residuals
from solvers.status import Status


@dataclass(frozen=True)
class Solution:
    """The weights of N columns and how they were found.

    Attributes:
        problem: the problem that was solved.
        backend: the name of the backend.
        weights: (N, K), in the dtype of the latents, differentiable with respect to latents, codebook, lam and a dense
            anchor (unless ``gradient="none"``). A failed column holds its anchor, with zero gradient.
        status: (N,) codes of :class:`solvers.Status`, judged before the weights were rounded to the latents' dtype.
        iterations: (N,) iterations, as the backend counts them.
        errors: what the backend raised, by column; empty when nothing was.
        history: the residuals of every iteration, each (T, N), where ``history=True`` was asked for.
    """

    problem: Problem
    backend: str
    weights: Float[Tensor, "N K"]
    status: Int[Tensor, " N"]
    iterations: Int[Tensor, " N"]
    clock: Clock
    errors: Mapping[int, str] = field(default_factory=dict)
    history: Residuals | None = None

    @property
    def solve_time(self) -> float:
        """Seconds that the forward solve took."""
        return self.clock.seconds

    @cached_property
    def reconstruction(self) -> Float[Tensor, "N F"]:
        """weights @ codebook, (N, F), differentiable. Summed in float32 or better."""
        dtype = torch.promote_types(self.weights.dtype, torch.float32)
        with torch.autocast(self.weights.device.type, enabled=False):
            return (self.weights.to(dtype) @ self.problem.codebook.to(dtype)).to(self.weights.dtype)

    @property
    def converged(self) -> Bool[Tensor, " N"]:
        """(N,) True where the status is SOLVED. The relaxation never is: it has no tolerance to reach."""
        return self.status == Status.SOLVED

    @property
    def failed(self) -> Bool[Tensor, " N"]:
        """(N,) True where the column holds its anchor because it has no solution."""
        return self.status >= Status.MAX_ITER

    @cached_property
    def residuals(self) -> Residuals:
        """The certificate of the weights as returned, computed when first asked for."""
        return kkt_residuals(self.problem, self.weights.detach())

    @property
    def weakly_active(self) -> Int[Tensor, " N"]:
        """(N,) codewords whose weight and multiplier are both near zero. Where there are any, the solution map has only
        one-sided derivatives; the gradient counts these codewords as off."""
        return self.residuals.weakly_active

    def __repr__(self) -> str:
        N, F, K = self.problem.shape
        counts = {s.name: n for s in Status if (n := int((self.status == s).sum()))}
        return f"Solution(backend={self.backend!r}, N={N}, F={F}, K={K}, status={counts}, {self.solve_time:.3g} s)"
