"""The certificate: KKT residuals and error bounds, from the weights alone, by code that no solver shares.

Everything is recomputed in float64 from the problem as the user gave it, not as a backend centred or scaled it.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scq.solvers.problem import Problem
from scq.solvers.weights import Weights

WEAK = 1e-6
"""A codeword is weakly active when its weight and its multiplier are both below this."""

_CHUNK_ELEMENTS, _ON_DEVICE = 2**17, 2**23
"""Entries of a chunk's (rows, K) arrays. 1 MB in float64: the chunk's few arrays stay in the processor's cache. On a
device, where each chunk costs its launches anew, 64 MB."""

_CHUNK_COLUMNS = 16
"""Columns of a chunk at least, so that the codebook is not read anew for each of them."""

_ROUNDING = 1e-14
"""Weights closer to the simplex than this are taken to lie on it."""


@dataclass(frozen=True)
class Residuals:
    """KKT residuals of N columns, each (N,), float64, detached.

    With the gradient g = C (C^T p - z) + lam (p - a), nu = p^T g and mu = g - nu:

    Attributes:
        primal: max(abs(sum(p) - 1), max_k(-p_k)), how far p leaves the simplex.
        dual: max_k max(0, nu - g_k), the descent that a codeword still offers.
        complementarity: max_k abs(p_k mu_k), weight on a codeword that should be off.
        gap: the Frank-Wolfe gap p^T g - min_k g_k of p projected on the simplex, an upper bound of ``f(p) - f(p*)``.
        margin: min_k max(p_k, mu_k), which is min(min over the support of p_k, min off the support of mu_k): strict
            complementarity. Near 0 the solution is not differentiable and the gradient one-sided.
        scale: max(1, max_k abs(g_k)), by which the relative residual divides.
        weakly_active: how many codewords have both p_k and mu_k below 1e-6 (they count as off in the gradient).
        weights_bound: an upper bound of ``||p - p*||``: sqrt(gap / lam), plus the distance of p to the simplex.
        reconstruction_bound: the same of ``||C^T p - C^T p*||``: sqrt(gap), plus ||C^T (p - projected p)||.

    The bounds need no exact solve: for p on the simplex, ``lam ||p - p*||^2 + ||C^T p - C^T p*||^2 <= gap``, because
    the gap is at least ``g(p)^T (p - p*)``, which is at least ``(p - p*)^T (C C^T + lam I) (p - p*)``.

    A column whose latent is not finite has an infinite dual, complementarity, gap and bounds, and margin 0.
    """

    primal: Float[Tensor, "*N"]
    dual: Float[Tensor, "*N"]
    complementarity: Float[Tensor, "*N"]
    gap: Float[Tensor, "*N"]
    margin: Float[Tensor, "*N"]
    scale: Float[Tensor, "*N"]
    weakly_active: Int[Tensor, "*N"]
    weights_bound: Float[Tensor, "*N"]
    reconstruction_bound: Float[Tensor, "*N"]

    @property
    def relative(self) -> Float[Tensor, "*N"]:
        """max(primal, dual / scale, complementarity / scale), which ``tol`` bounds. Weights have no unit, so the
        primal residual is not divided."""
        return torch.maximum(self.primal, torch.maximum(self.dual, self.complementarity) / self.scale)


@torch.no_grad()
def kkt_residuals(problem: Problem, weights: Float[Tensor, "N K"] | Weights) -> Residuals:
    """The KKT residuals and error bounds of any weights, whoever computed them.

    Costs two (N x F x K) matrix products in float64 (two more for weights that leave the simplex by more than float64
    rounding), and memory for a small chunk of columns at a time.

    Args:
        problem: the problem that the weights are meant to solve.
        weights: (N, K), on the problem's device, of any floating-point dtype, or the same as ``Solution.compact`` has
            them. They need not lie on the simplex.

    Raises:
        TypeError: weights that are no floating-point tensor.
        ValueError: weights of another shape or device than the problem's.

    Source: the KKT conditions of arXiv 2310.03004, Eq. 7; the gap: Jaggi, "Revisiting Frank-Wolfe", ICML 2013.
    """
    N, _, K = problem.shape
    if not isinstance(weights, Weights):
        if not isinstance(weights, Tensor) or not weights.dtype.is_floating_point:
            kind = weights.dtype if isinstance(weights, Tensor) else type(weights).__name__
            raise TypeError(f"weights is {kind}, must be a floating-point tensor of shape ({N}, {K})")
        if weights.shape != (N, K) or weights.device != problem.latents.device:
            raise ValueError(
                f"weights has shape {tuple(weights.shape)} on {weights.device}, must be ({N}, {K}) on "
                f"{problem.latents.device}"
            )
        weights = Weights.dense_of(weights)
    codebook, lam = problem.codebook.double(), problem.lam.double()
    entries = _CHUNK_ELEMENTS if problem.latents.device.type == "cpu" else _ON_DEVICE
    rows = max(_CHUNK_COLUMNS, entries // K)
    with torch.autocast(problem.latents.device.type, enabled=False):
        parts = [
            _chunk(problem, codebook, lam, weights.rows(part).to(torch.float64), part)
            for part in (slice(start, start + rows) for start in range(0, max(N, 1), rows))
        ]
    if len(parts) == 1:
        return parts[0]
    return Residuals(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Residuals)})


def _chunk(problem: Problem, codebook: Tensor, lam: Tensor, weights: Weights, rows: slice) -> Residuals:
    finite, p = problem.finite[rows], weights.dense()
    z = torch.where(finite[:, None], problem.latents[rows], 0.0).double()
    error = weights.combine(codebook) - z
    g = (error @ codebook.T).addcmul_(p, lam)
    anchor = problem.anchor[rows]
    if anchor.dim() == 2:
        g -= lam * anchor.double()
    else:
        g.scatter_add_(1, anchor[:, None], -lam.expand(anchor.shape[0], 1))

    nu = _dot(p, g)
    lowest, highest = torch.aminmax(g, dim=1)
    excess = p.sum(1) - 1
    primal = torch.maximum(excess.abs(), -p.amin(1))

    # On a device it is projected unasked, which where p is on the simplex changes nothing.
    if p.device.type != "cpu" or bool((primal > _ROUNDING).any()):
        onto = _project(p)
        step = onto - p
        shifted = step @ codebook
        g_onto = torch.addmm(g, shifted, codebook.T).addcmul_(step, lam)
        gap = _dot(onto, g_onto) - g_onto.amin(1)
        moved, shift = step.norm(dim=1), shifted.norm(dim=1)
    else:
        gap, moved, shift = nu - lowest, 0.0, 0.0
    gap = gap.clamp_min(0.0)

    mu = g.sub_(nu[:, None])
    larger = torch.maximum(p, mu)
    least, most = torch.aminmax(mu.mul_(p), dim=1)

    dual, complementarity = (nu - lowest).clamp_min(0.0), torch.maximum(most, -least)
    bounds = (gap / lam).sqrt() + moved, gap.sqrt() + shift
    known = torch.where(finite, torch.stack([dual, complementarity, gap, *bounds]), torch.inf)
    dual, complementarity, gap, weights_bound, reconstruction_bound = known.unbind()
    return Residuals(
        primal=primal,
        dual=dual,
        complementarity=complementarity,
        gap=gap,
        margin=torch.where(finite, larger.amin(1), 0.0),
        scale=torch.maximum(highest, -lowest).clamp_min(1.0),
        weakly_active=(larger < WEAK).sum(1),
        weights_bound=weights_bound,
        reconstruction_bound=reconstruction_bound,
    )


def _project(p: Tensor) -> Tensor:
    """Rows projected on the simplex, max(0, p - t): t by Michelot's algorithm, few passes and no sort when rows are
    nearly on it; on a device, where after each pass the host would have to ask, by sorting.

    Source: C. Michelot, "A finite algorithm for finding the projection of a point onto the canonical simplex of R^n",
    Journal of Optimization Theory and Applications 50 (1986); Duchi et al., "Efficient projections onto the l1-ball",
    ICML 2008.
    """
    if p.device.type != "cpu":
        ordered = p.sort(dim=1, descending=True).values
        numbers = torch.arange(1, p.shape[1] + 1, dtype=p.dtype, device=p.device)
        thresholds = (ordered.cumsum(1) - 1) / numbers
        size = (ordered > thresholds).sum(1, keepdim=True)
        return (p - thresholds.gather(1, (size - 1).clamp_min_(0))).clamp_min_(0.0)
    threshold = (p.sum(1, keepdim=True) - 1) / p.shape[1]
    active = torch.ones_like(p, dtype=torch.bool)
    count = active.sum(1, keepdim=True)
    while True:
        # Entries only ever leave: a threshold within rounding of an entry could take it in and out for ever.
        active &= p > threshold
        previous, count = count, active.sum(1, keepdim=True)
        if torch.equal(count, previous):
            return (p - threshold).clamp_min_(0.0)
        threshold = ((p * active).sum(1, keepdim=True) - 1) / count


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x[:, None] @ y[..., None]).flatten()
