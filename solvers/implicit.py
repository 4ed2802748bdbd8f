"""Implicit differentiation of the exact problem, once, for every exact backend."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from scq.solvers import compiled
from scq.solvers.methods import Instance
from scq.solvers.polish import polish
from scq.solvers.support import Support, solve_on_support
from scq.solvers.weights import Weights

_WEAK = 1e-9
"""A weight below this counts as off: rounding errors of the solve reach this far."""

_ROUNDS, _POLISHED = 50, 1e-9
"""Linear solves that the polish of a support may take, and the relative KKT residual at which it is believed."""

_CHUNK_ELEMENTS = 2**21


def differentiate(
    problem: Instance, weights: Weights, failed: Bool[Tensor, " N"], combined: Float[Tensor, "N F"]
) -> tuple[Weights, Float[Tensor, "N F"]]:
    r"""Weights, and what they combine to, with the derivative of the solution map attached.

    With the support S of a column and dL/dp on it, u solves (u is zero off S and sums to 0)

        [ H_SS  1 ] [ u  ]   [ dL/dp_S ]
        [ 1^T   0 ] [ eta] = [    0    ],        H = C C^T + lam I,

    and then dL/dz = C^T u, dL/dC = sum_n u (z - C^T p)^T - p (C^T u)^T, dL/da = lam u, dL/dlam = sum_n u^T (a - p).
    Of the combination x = C^T p, dL/dp gets C dL/dx, and dL/dC also gets p (dL/dx)^T.

    Weakly active codewords, with weight and multiplier both zero, count as off: there the solution map has only
    one-sided derivatives, and this is the one with the smaller support.

    Args:
        problem: the instance, its tensors with autograd history.
        weights: the solution, without history. Compact weights are taken to be exact, dense ones to be exact up to a
            small KKT residual: their support is read off and polished.
        failed: columns whose derivative is zero.
        combined: C^T p in the units of the user's codebook.

    Source: the KKT system of arXiv 2310.03004, Eq. 7; B. Amos and J. Z. Kolter, "OptNet", arXiv 1703.00443, Eq. 6.
    """
    active = _active(problem.detach(), weights) & ~failed[:, None]
    values, combined = _Implicit.apply(
        problem.latents,
        problem.codebook,
        problem.lam,
        problem.anchor,
        problem.scale,
        weights.values,
        _numbered(weights),
        active,
        combined,
    )
    return Weights(values, weights.index, weights.codewords), combined


@torch.no_grad()
def pull_back_weights(
    problem: Instance, weights: Weights, failed: Bool[Tensor, " N"], d_values: Float[Tensor, "N S"]
) -> tuple[Float[Tensor, "N F"], Float[Tensor, "K F"], Float[Tensor, ""]]:
    """The derivative of :func:`differentiate` where autograd keeps no history, as inside an operator of a graph.

    Args:
        problem, weights, failed: as there.
        d_values: dL/dp.

    Returns:
        The derivatives with respect to latents, codebook and lam of the user's problem.
    """
    active = _active(problem, weights) & ~failed[:, None]
    d_latents, d_codebook, d_lam, *_ = _pull_back_for(problem.latents, problem.anchor)(
        problem.latents,
        problem.codebook,
        problem.lam,
        problem.anchor,
        _numbered(weights),
        # In float64, as solvers have them.
        weights.values.double(),
        active,
        d_values.double(),
        None,
    )
    return d_latents / problem.scale, d_codebook / problem.scale, d_lam / problem.scale / problem.scale


def _active(problem: Instance, weights: Weights) -> Bool[Tensor, "N S"]:
    return _identify(problem, weights.values) if weights.index is None else weights.values > _WEAK


def _numbered(weights: Weights) -> Int[Tensor, "N S"]:
    """The codeword in each place, of dense weights too."""
    if weights.index is not None:
        return weights.index
    return torch.arange(weights.codewords, device=weights.values.device).expand_as(weights.values)


@torch.no_grad()
def _identify(instance: Instance, weights: Float[Tensor, "N K"]) -> Bool[Tensor, "N K"]:
    """The active codewords of weights that are exact up to a small KKT residual.

    A first guess is weight above multiplier, both of unit size in a scaled instance. For a weakly active codeword both
    are noise, of the residual's square root, and the guess is a toss: the polish has the exact weights to decide by.
    """
    g = instance.gradient(weights)
    mu = g - (weights * g).sum(1, keepdim=True)
    active = (weights > mu) | (weights == weights.amax(1, keepdim=True))
    if not weights.shape[0]:
        return active
    rounds = torch.full(weights.shape[:1], _ROUNDS, dtype=torch.long, device=weights.device)
    exact = polish(instance, weights.clamp_min(0.0), active, _POLISHED, rounds)
    polished = exact.support.scatter(exact.values, weights.shape[1]) > _WEAK
    return torch.where((exact.residual <= _POLISHED)[:, None], polished, active)


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, latents, codebook, lam, anchor, scale, values, index, active, combined):
        ctx.save_for_backward(latents, codebook, lam, anchor, scale, values, index, active)
        ctx.set_materialize_grads(False)
        return values.view_as(values), combined.view_as(combined)

    @staticmethod
    @once_differentiable
    def backward(ctx, d_values, d_combined):
        latents, codebook, lam, anchor, scale, values, index, active = ctx.saved_tensors
        if d_combined is not None:
            # In the units of the instance.
            d_combined = d_combined.to(latents.dtype) * scale
        pull_back = _pull_back_for(latents, anchor)
        gradients = pull_back(latents, codebook, lam, anchor, index, values, active, d_values, d_combined)
        return *gradients, *[None] * (9 - len(gradients))


def _pull_back_for(latents: Tensor, anchor: Tensor) -> Callable[..., tuple[Tensor, ...]]:
    """The compiled kernel, where that can."""
    if latents.device.type == "cpu" and anchor.dim() == 1 and compiled.usable():
        from scq.solvers.compiled.backward import pull_back

        return pull_back
    return pull_back_by_tensors


def pull_back_by_tensors(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: Float[Tensor, ""],
    anchor: Int[Tensor, " N"] | Float[Tensor, "N K"],
    index: Int[Tensor, "N S"],
    values: Float[Tensor, "N S"],
    active: Bool[Tensor, "N S"],
    d_values: Float[Tensor, "N S"] | None,
    d_combined: Float[Tensor, "N F"] | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The derivatives with respect to latents, codebook, lam and a dense anchor, in tensor operations.

    Args:
        latents, codebook, lam, anchor: the instance.
        index, values: the weights in compact form.
        active: where a weight may change; nowhere in a failed column.
        d_values, d_combined: what the loss says of the values and of values @ codebook.
    """
    (N, F), K = latents.shape, codebook.shape[0]
    support = Support.of(active)
    wide, wide_lam = codebook.double(), lam.double()
    d_latents, d_codebook, d_lam = torch.zeros_like(latents), torch.zeros_like(wide), wide_lam * 0.0
    d_anchor = torch.zeros_like(anchor) if anchor.dim() == 2 else None
    size = support.index.shape[1]
    rows = max(1, _CHUNK_ELEMENTS // max(1, K, size * max(size, F)))
    for part in torch.arange(N, device=index.device).split(rows):
        valid = support.valid[part]
        compact = Support(index[part].gather(1, support.index[part]), valid)
        codewords = wide[compact.index] * valid[..., None]
        rhs = torch.zeros(valid.shape, dtype=torch.float64, device=index.device)
        if d_values is not None:
            rhs += torch.where(valid, d_values[part].gather(1, support.index[part]), 0.0)
        outward = torch.zeros(part.shape[0], F, dtype=torch.float64, device=index.device)
        if d_combined is not None:
            outward += d_combined[part]
            rhs += (codewords @ outward[..., None]).squeeze(2)
        u = compact.scatter(solve_on_support(codewords, valid, wide_lam, rhs, 0.0), K)
        p = Weights(values[part].double(), index[part], K).dense()
        back = u @ wide
        d_latents[part] = back.to(latents.dtype)
        d_codebook += u.T @ (latents[part] - p @ wide) + p.T @ (outward - back)
        a = anchor[part]
        d_lam = d_lam + ((u * a).sum() if a.dim() == 2 else u.gather(1, a[:, None]).sum()) - (u * p).sum()
        if d_anchor is not None:
            d_anchor[part] = (wide_lam * u).to(anchor.dtype)
    return d_latents, d_codebook.to(codebook.dtype), d_lam.to(lam.dtype), d_anchor
