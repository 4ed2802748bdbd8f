"""The KKT residuals of a layer's latents, as numbers for its log."""

from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.solvers.problem import Problem
from scq.solvers.residuals import kkt_residuals
from scq.solvers.transforms import outside
from scq.solvers.weights import Weights

NAMES = (
    "kkt_primal",
    "kkt_dual",
    "kkt_complementarity",
    "kkt_relative",
    "duality_gap",
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
    none is valid. Below a compiler one node of the graph."""
    if torch.compiler.is_compiling():
        return _certificate(latents.detach(), codebook.detach(), lam, anchor, weights.dense(), valid)
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
    problem = Problem(latents[rows], codebook, lam, anchor[rows])
    residuals = kkt_residuals(problem, weights.rows(rows))
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


@torch.library.custom_op("scq::certificate", mutates_args=())
def _certificate(
    latents: Tensor, codebook: Tensor, lam: Tensor, anchor: Tensor, weights: Tensor, valid: Tensor | None
) -> Tensor:
    counted = torch.ones_like(anchor, dtype=torch.bool) if valid is None else valid
    return _measured(weights.shape[1], latents, codebook, lam, anchor, counted, weights)[0]


@_certificate.register_fake
def _(latents: Tensor, codebook: Tensor, lam: Tensor, anchor: Tensor, weights: Tensor, valid: Tensor | None) -> Tensor:
    return latents.new_empty(len(NAMES), dtype=torch.float64)
