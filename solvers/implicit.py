"""Implicit differentiation of the exact problem, once, for every exact backend."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.solvers import compiled, fused
from scq.solvers.closed_form import pull_back_recorded
from scq.solvers.instance import Instance
from scq.solvers.polish import polish
from scq.solvers.support import Support, lifted, solve_on_support
from scq.solvers.transforms import mapped, transformed
from scq.solvers.weights import Weights

_WEAK = 1e-9
"""A weight below this counts as off: rounding errors of the solve reach this far."""

_ROUNDS, _POLISHED = 50, 1e-9
"""Linear solves that the polish of a support may take, and the relative KKT residual at which it is believed."""

_RESOLVED = 1e-12
"""A pivot of a support's matrix below this share of the diagonal is mostly rounding, and so is what it divides."""

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

    Where autograd records the backward pass (``create_graph=True``), or a transform maps over it, the derivative is
    that of :mod:`scq.solvers.closed_form`, in tensor operations: so derivatives of every order are right.

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
    active, index = _active(problem, weights) & ~failed[:, None], _numbered(weights)
    d_latents, d_codebook, d_lam, *_ = _pull_back_for(problem.latents, problem.anchor, index)(
        problem.latents,
        problem.codebook,
        problem.lam,
        problem.anchor,
        index,
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
def support_of(problem: Instance, weights: Weights, failed: Bool[Tensor, " N"]) -> tuple[Tensor, Tensor, Tensor]:
    """The weights in compact form, the codewords that they belong to, and where they may change: nowhere in a failed
    column. Each (N, S)."""
    active = _active(problem, weights) & ~failed[:, None]
    places = Support.of(active | failed[:, None] & (weights.values != 0))
    active = active.gather(1, places.index) & places.valid
    return places.gather(weights.values), _numbered(weights).gather(1, places.index), active


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
        # Copies: several outputs that are views of inputs may not be changed in place, as a decoder's first layer may.
        return values.clone(), combined.clone()

    @staticmethod
    def backward(ctx, d_values, d_combined):
        latents, codebook, lam, anchor, scale, values, index, active = ctx.saved_tensors
        if d_combined is not None:
            # In the units of the instance.
            d_combined = d_combined.to(latents.dtype) * scale
        recorded = torch.is_grad_enabled() or transformed() or mapped(d_values) or mapped(d_combined)
        pull_back = pull_back_recorded if recorded else _pull_back_for(latents, anchor, index)
        gradients = pull_back(latents, codebook, lam, anchor, index, values, active, d_values, d_combined)
        return *gradients, *[None] * (9 - len(gradients))


@torch.no_grad()
def unresolved(problem: Instance, weights: Weights) -> Bool[Tensor, " N"]:
    """True where float64 does not resolve the derivative of :func:`differentiate`: lam is so small that it alone keeps
    the matrix of the support from being singular. A column whose codewords are affinely independent needs no lam."""
    index, active = _numbered(weights), _active(problem, weights)
    places = Support.of(active)
    codebook, lam = lifted(problem.codebook.double()), problem.lam.double()
    size = places.index.shape[1]
    parts = [torch.zeros(0, dtype=torch.bool, device=index.device)]
    for part in torch.arange(index.shape[0], device=index.device).split(_columns_at_once(size, codebook)):
        valid = places.valid[part]
        codewords = codebook[index[part].gather(1, places.index[part])] * valid[..., None]
        matrix = codewords @ codewords.mT + torch.where(valid, lam, 1.0).diag_embed()
        factor, info = torch.linalg.cholesky_ex(matrix)
        pivots, diagonal = factor.diagonal(dim1=1, dim2=2).square(), matrix.diagonal(dim1=1, dim2=2)
        parts.append((info != 0) | ~(pivots > _RESOLVED * diagonal).all(1))
    return torch.cat(parts)


def lam_is_tiny(problem: Instance) -> Bool[Tensor, ""]:
    """True where :func:`unresolved` may find anything: no pivot is smaller than lam."""
    return problem.lam <= 2 * _RESOLVED * (problem.codebook.square().sum(1).amax() + problem.lam)


def _columns_at_once(size: int, codebook: Tensor) -> int:
    K, F = codebook.shape
    return max(1, _CHUNK_ELEMENTS // max(1, K, size * max(size, F)))


def _pull_back_for(latents: Tensor, anchor: Tensor, index: Tensor) -> Callable[..., tuple[Tensor, ...]]:
    """The compiled kernel, or the fused ones, where these can."""
    if anchor.dim() == 1 and index.shape[1] <= fused.PLACES and fused.usable(latents.device):
        from scq.solvers.fused.launch import pull_back

        return pull_back
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
    support = Support.within(active)
    wide, wide_lam = codebook.double(), lam.double()
    book = lifted(wide)
    d_latents, d_codebook, d_lam = torch.zeros_like(latents), torch.zeros_like(wide), wide_lam * 0.0
    d_anchor = torch.zeros_like(anchor) if anchor.dim() == 2 else None
    size = support.index.shape[1]
    for part in torch.arange(N, device=index.device).split(_columns_at_once(size, book)):
        valid = support.valid[part]
        compact = Support(index[part].gather(1, support.index[part]), valid)
        codewords = book[compact.index] * valid[..., None]
        rhs = torch.zeros(valid.shape, dtype=torch.float64, device=index.device)
        if d_values is not None:
            rhs += torch.where(valid, d_values[part].gather(1, support.index[part]), 0.0)
        outward = torch.zeros(part.shape[0], F, dtype=torch.float64, device=index.device)
        if d_combined is not None:
            # A column that failed holds its anchor, as a constant.
            outward += torch.where(valid.any(1, keepdim=True), d_combined[part], 0.0)
            rhs += (codewords[..., :-1] @ outward[..., None]).squeeze(2)
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
