"""The contract of a backend: what it is given, and what it returns.

A backend is a function, named by its registry entry::

    def solve(problem: Instance, *, tol: float, max_iter: int | None, **options) -> Result

``problem`` is an :class:`Instance`: validated, finite, on one device, in one of the entry's dtypes, and for an exact
backend already centred and scaled to unit size (see ``solvers.solve``). Keyword-only parameters after ``max_iter`` are
the backend's options; an option that is not among them is refused before the backend runs. With ``gradient="native"``
the tensors of the problem carry autograd history and so must the weights of the result; otherwise nothing does.
A column that fails gets a status, never an exception; an exception means that the whole batch failed, and what becomes
of it :class:`scq.solvers.attempt.Attempt` says. What the backend makes of its own names its device and dtype.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scq.solvers.weights import Weights


@dataclass(frozen=True)
class Instance:
    """What a backend solves: for every row z of ``latents`` and a of ``anchor``,

    minimise 1/2 ||C^T p - z||^2 + lam/2 ||p - a||^2   subject to   p >= 0, sum(p) = 1.
    """

    latents: Float[Tensor, "N F"]
    codebook: Float[Tensor, "K F"]
    lam: Float[Tensor, ""]
    anchor: Int[Tensor, " N"] | Float[Tensor, "N K"]
    """Codeword numbers, or points of the simplex."""
    floor: Float[Tensor, ""]
    """A KKT residual of this instance is relative to max(floor, max_k |g_k|), which in the units of the user's problem
    is max(1, max_k |g_k|)."""
    scale: Float[Tensor, ""]
    """What latents and codebook of the user's problem were divided by."""

    def detach(self) -> "Instance":
        """The same without autograd history."""
        return self._map(lambda x: x.detach())

    def select(self, columns: Int[Tensor, " n"]) -> "Instance":
        """Some of its columns."""
        return replace(self, latents=self.latents[columns], anchor=self.anchor[columns])

    def hessian(self) -> Float[Tensor, "K K"]:
        """C C^T + lam I, which all columns share."""
        K = self.codebook.shape[0]
        return self.codebook @ self.codebook.T + self.lam * torch.eye(
            K, dtype=self.codebook.dtype, device=self.codebook.device
        )

    def gradient(self, weights: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """C (C^T p - z) + lam (p - a), in two (N x F x K) matrix products."""
        g = ((weights @ self.codebook - self.latents) @ self.codebook.T).addcmul_(weights, self.lam)
        if self.anchor.dim() == 2:
            return g.sub_(self.lam * self.anchor)
        return g.scatter_add_(1, self.anchor[:, None], -self.lam.expand(g.shape[0], 1))

    def to(self, dtype: torch.dtype) -> "Instance":
        """The same in another floating-point type."""
        return self._map(lambda x: x.to(dtype) if x.is_floating_point() else x)

    def allowed(self, tol: float) -> float:
        """The absolute KKT residual that ``tol`` allows whatever the gradients are, at most ``tol`` itself: what a
        package's own tolerance, which knows no relative one, is set by."""
        return tol * min(1.0, float(self.floor.detach()))

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Instance":
        return Instance(*(function(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True)
class Result:
    """What a backend returns."""

    weights: Float[Tensor, "N K"] | Weights
    """Dense, or compact when they are exact on a support that the backend knows."""
    status: Int[Tensor, " N"]
    """Codes of :class:`scq.solvers.Status`."""
    iterations: Int[Tensor, " N"]
    certified: bool = False
    """True when the backend has checked the KKT residual of every column over all K; otherwise ``solve`` does."""
    history: Float[Tensor, "T N K"] | None = None
    """The weights after every iteration, when asked for."""
