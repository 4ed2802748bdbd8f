"""The KKT residuals of a soft convex layer, as numbers for its log."""

from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq import solvers
from scq.solvers.transforms import outside
from scq.solvers.weights import Weights

NAMES = (
    "kkt_primal",
    "kkt_dual",
    "kkt_complementarity",
    "kkt_relative",
    "gap",
    "margin",
    "weakly_active_share",
)

_LATENTS = 512
"""Latents of a batch that are measured."""


def certificate(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: Float[Tensor, ""],
    anchor: Int[Tensor, " N"],
    weights: Weights,
    valid: Bool[Tensor, " N"] | None,
) -> Float[Tensor, "numbers"]:
    """The numbers of :data:`NAMES`, in float64, of at most 512 valid latents, evenly spaced through the batch; NaN when
    none is valid."""
    counted = torch.ones_like(anchor, dtype=torch.bool) if valid is None else valid
    index = () if weights.index is None else (weights.index,)
    (numbers,) = outside(
        partial(_measured, weights.codewords), latents, codebook, lam, anchor, counted, weights.values, *index
    )
    return numbers


@torch.no_grad()
def _measured(
    codewords: int,
    latents: Tensor,
    codebook: Tensor,
    lam: Tensor,
    anchor: Tensor,
    counted: Tensor,
    values: Tensor,
    index: Tensor | None = None,
) -> tuple[Tensor]:
    weights = Weights(values, index, codewords)
    rows = counted.nonzero().flatten()
    rows = rows[:: max(1, -(-rows.shape[0] // _LATENTS))]
    if not rows.shape[0]:
        return (latents.new_full((len(NAMES),), torch.nan, dtype=torch.float64),)
    problem = solvers.Problem(latents[rows], codebook, lam, anchor[rows])
    residuals = solvers.kkt_residuals(problem, weights.rows(rows))
    numbers = torch.stack(
        [
            residuals.primal.amax(),
            (residuals.dual / residuals.scale).amax(),
            (residuals.complementarity / residuals.scale).amax(),
            residuals.relative.amax(),
            residuals.gap.mean(),
            residuals.margin.median(),
            (residuals.weakly_active > 0).double().mean(),
        ]
    )
    return (numbers,)
