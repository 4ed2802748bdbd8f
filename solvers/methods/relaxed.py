r"""The paper's scalable relaxation of the exact problem. Not exact.

    P = (Z C^T + lam A) (C C^T + lam I)^{-1}                          unconstrained, then m times
    P <- max(0, P);   P_n <- P_n - (sum(P_n) - 1) / K                 clip, then back onto the plane sum = 1

By the push-through identity P = A + (Z - A C) (C^T C + lam I_F)^{-1} C^T, an F x F solve: the anchor plus the
least-norm correction. Rows sum to 1 exactly, and for finite m keep small negative entries.

Warm start: none. Gradient: what autograd gives through the solve and the steps, which is the paper's layer.
Source: arXiv 2310.03004, Algorithm 2.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from scq.solvers.clip_and_shift import clip_and_shift
from scq.solvers.errors import OptionError
from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status

STEPS = 20
"""m, where none is asked for."""


def solve(
    problem: Instance,
    *,
    tol: float,
    max_iter: int | None = None,
    steps: int = STEPS,
    projection: Literal["alternating", "exact"] = "alternating",
) -> Result:
    """Relaxes an instance.

    Args:
        problem: the instance.
        tol: not used: the number of steps is fixed.
        max_iter: not used, likewise; ``steps`` is the number.
        steps: m, the number of clip-and-shift steps. The paper's text does not fix it; 20 is the customary value. The
            exact projection has none.
        projection: ``"alternating"`` for m of the paper's steps, ``"exact"`` for one Euclidean projection on the
            simplex.
    """
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise OptionError(f"steps is {steps!r}, must be an integer >= 1")
    if projection not in ("alternating", "exact"):
        raise OptionError(f"projection is {projection!r}, must be 'alternating' or 'exact'")
    if projection == "exact" and steps not in (1, STEPS):
        raise OptionError(f"steps is {steps}, but applies to projection 'alternating' alone (projection is 'exact')")
    Z, C, anchor = problem.latents, problem.codebook, problem.anchor
    N = Z.shape[0]
    # The F x F system in float64: it is small, and its condition number is |C|^2 / lam.
    wide = C.double()
    gram = wide.T @ wide + problem.lam.double() * torch.eye(C.shape[1], dtype=torch.float64, device=C.device)
    # Without the check for a singular system, which waits for the device: what is not finite is judged by column.
    correction = torch.linalg.solve_ex(gram, wide.T).result.to(C.dtype)
    if anchor.dim() == 2:
        P = anchor + (Z - anchor @ C) @ correction
    else:
        # Not C[anchor]: on several threads the order in which its derivative is summed differs from run to run.
        P = ((Z - C.index_select(0, anchor)) @ correction).scatter_add(1, anchor[:, None], Z.new_ones(N, 1))
    P = _project(P) if projection == "exact" else clip_and_shift(P, steps)
    count = 1 if projection == "exact" else steps
    status = torch.full((N,), int(Status.APPROXIMATE), dtype=torch.long, device=Z.device)
    return Result(P, status, torch.full_like(status, count))


def _project(P: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """Rows projected on the simplex, by sorting; differentiable almost everywhere.

    Source: J. Duchi et al., "Efficient projections onto the l1-ball", ICML 2008.
    """
    with torch.no_grad():
        ordered = P.sort(dim=1, descending=True).values
        numbers = torch.arange(1, P.shape[1] + 1, dtype=P.dtype, device=P.device)
        thresholds = (ordered.cumsum(1) - 1) / numbers
        size = (ordered > thresholds).sum(1, keepdim=True)
        support = P > thresholds.gather(1, size - 1)
    threshold = ((P * support).sum(1, keepdim=True) - 1) / size
    return torch.where(support, P - threshold, 0.0)
