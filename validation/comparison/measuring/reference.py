"""The certified reference that answers are compared with, and the errors against it.

A solver proposes which codewords are active; everything else is computed anew, by dense linear algebra on that support
in float64, and must then pass the certificate. So no backend is compared with its own arithmetic, be it of the weights
or of the gradients.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scq import solvers

CERTIFIED = 1e-12
"""The relative KKT residual that every column of a reference must reach. With it the distance to p* is at most about
this over lam; the gap's own bound cannot show that, since it is a square root of float64 rounding."""

_CHUNK_ELEMENTS = 2**23


class UncertifiedError(RuntimeError):
    """The reference did not reach :data:`CERTIFIED`; nothing may be called an error against it."""


@dataclass(frozen=True)
class Errors:
    """The errors of one answer, named as in :class:`scq.validation.comparison.rows.Row`."""

    weights_error_max: float
    weights_error_median: float
    latents_gradient_error: float
    codebook_gradient_error: float


class Reference:
    """The exact weights of a problem, from the same rounded numbers but in float64, and exact gradients.

    On the support S of a column, weights p and the derivative u of dL/dp solve the same system,

        [ H_SS  1 ] [ p   ]   [ (C z + lam a)_S ]        [ H_SS  1 ] [ u   ]   [ (dL/dp)_S ]
        [ 1^T   0 ] [ -nu ] = [        1        ],       [ 1^T   0 ] [ eta ] = [     0     ],     H = C C^T + lam I.

    Args:
        problem: of any dtype.

    Attributes:
        weights: (N, K), float64.
        two_sided: (N,), False where a codeword is weakly active, so that the gradient is only one of several.

    Raises:
        UncertifiedError: the residuals of the weights exceed :data:`CERTIFIED`.
    """

    def __init__(self, problem: solvers.Problem) -> None:
        Z, C, lam = problem.latents.detach().double(), problem.codebook.detach().double(), problem.lam.detach().double()
        # The anchor of the problem as given: a tie may break differently in another dtype.
        problem = solvers.Problem(Z, C, lam, problem.anchor)
        proposed = solvers.solve(problem, "interior_point", tol=CERTIFIED, throw=False, gradient="none").weights
        size = max(1, int((proposed > 0).sum(1).max()))
        values, self._index = proposed.topk(size, dim=1)
        self._active = (values > 0).double()
        self._problem, self._rows = problem, max(1, _CHUNK_ELEMENTS // size**2)
        anchor = problem.dense_anchor().gather(1, self._index)
        target = (Z @ C.T).gather(1, self._index) + lam * anchor
        on_support = self._solve(target, 1.0)
        self.weights = torch.zeros_like(proposed).scatter_(1, self._index, on_support)
        residuals = solvers.kkt_residuals(problem, self.weights)
        worst = float(residuals.relative.max())
        if not worst <= CERTIFIED:
            raise UncertifiedError(f"the reference has a relative KKT residual of {worst:.1e}, above {CERTIFIED:.0e}")
        self.two_sided = residuals.weakly_active == 0

    def gradients(self, cotangent: Float[Tensor, "N F"]) -> tuple[Float[Tensor, "N F"], Float[Tensor, "K F"]]:
        """dL/dZ and dL/dC of L = sum(cotangent * z_q)."""
        Z, C, P, V = self._problem.latents, self._problem.codebook, self.weights, cotangent.double()
        on_support = self._solve((V @ C.T).gather(1, self._index), 0.0)
        U = torch.zeros_like(P).scatter_(1, self._index, on_support)
        return U @ C, U.T @ (Z - P @ C) - P.T @ (U @ C) + P.T @ V

    def errors(
        self,
        weights: Float[Tensor, "N K"],
        gradients: tuple[Float[Tensor, "N F"], Float[Tensor, "K F"]],
        cotangent: Float[Tensor, "N F"],
        good: Bool[Tensor, " N"],
    ) -> Errors:
        """The errors of an answer.

        Args:
            weights: of the answer.
            gradients: dL/dZ and dL/dC of the answer for the same cotangent.
            cotangent: zero in the columns whose gradient is not to count, since dL/dC sums over columns.
            good: the columns whose weights count.
        """
        distance = (weights.double() - self.weights)[good].norm(dim=1)
        relative = [
            float((mine.double() - exact).norm() / exact.norm())
            for mine, exact in zip(gradients, self.gradients(cotangent), strict=True)
        ]
        return Errors(float(distance.max()), float(distance.median()), *relative)

    def _solve(self, target: Float[Tensor, "N k"], total: float) -> Float[Tensor, "N k"]:
        """The first k unknowns of the system above, for the right-hand side (target, total); 0 off the support."""
        n, k = target.shape
        solution = torch.empty_like(target)
        for rows in torch.arange(n).split(self._rows):
            active = self._active[rows]
            codewords = self._problem.codebook[self._index[rows]] * active[..., None]
            system = target.new_zeros(len(rows), k + 1, k + 1)
            system[:, :k, :k] = codewords @ codewords.mT
            # Off the support this leaves lam x = 0.
            system[:, :k, :k].diagonal(dim1=1, dim2=2).add_(self._problem.lam)
            system[:, :k, k] = system[:, k, :k] = active
            right = torch.cat([target[rows] * active, target.new_full((len(rows), 1), total)], dim=1)
            solution[rows] = torch.linalg.solve(system, right)[:, :k]
        return solution
