"""Implicit differentiation of the exact problem, once, for every exact backend."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from solvers.methods import Instance
from solvers.polish import polish
from solvers.support import Support, solve_on_support

_WEAK = 1e-9
"""A weight below this counts as off: rounding errors of the solve reach this far."""

_ROUNDS, _POLISHED = 50, 1e-9
"""Linear solves that the polish of a support may take, and the relative KKT residual at which it is believed."""

_CHUNK_ELEMENTS = 2**21


def differentiate(
    problem: Instance, weights: Float[Tensor, "N K"], support: Support | None, failed: Bool[Tensor, " N"]
) -> Float[Tensor, "N K"]:
    r"""``weights`` with the derivative of the solution map attached.

    With the support S of a column and dL/dp on it, u solves (u is zero off S and sums to 0)

        [ H_SS  1 ] [ u  ]   [ dL/dp_S ]
        [ 1^T   0 ] [ eta] = [    0    ],        H = C C^T + lam I,

    and then dL/dz = C^T u, dL/dC = sum_n u (z - C^T p)^T - p (C^T u)^T, dL/da = lam u, dL/dlam = sum_n u^T (a - p).

    Weakly active codewords, with weight and multiplier both zero, count as off: there the solution map has only
    one-sided derivatives, and this is the one with the smaller support.

    Args:
        problem: the instance, its tensors with autograd history.
        weights: (N, K) the solution, without history.
        support: the active codewords when the backend knows them. Otherwise they are read off its weights and polished.
        failed: columns whose derivative is zero.

    Source: the KKT system of arXiv 2310.03004, Eq. 7; B. Amos and J. Z. Kolter, "OptNet", arXiv 1703.00443, Eq. 6.
    """
    if support is None:
        support = _identify(problem.detach(), weights)
    valid = support.valid & ~failed[:, None]
    return _Implicit.apply(
        problem.latents, problem.codebook, problem.lam, problem.anchor, weights, support.index, valid
    )


@torch.no_grad()
def _identify(instance: Instance, weights: Float[Tensor, "N K"]) -> Support:
    """The active codewords of weights that are exact up to a small KKT residual.

    A first guess is weight above multiplier, both of unit size in a scaled instance. For a weakly active codeword both
    are noise, of the residual's square root, and the guess is a toss: the polish has the exact weights to decide by.
    """
    g = instance.gradient(weights)
    mu = g - (weights * g).sum(1, keepdim=True)
    active = (weights > mu) | (weights == weights.amax(1, keepdim=True))
    if not weights.shape[0]:
        return Support.of(active)
    rounds = torch.full(weights.shape[:1], _ROUNDS, device=weights.device)
    exact = polish(instance, weights.clamp_min(0.0), active, _POLISHED, rounds)
    polished = exact.support.scatter(exact.values, weights.shape[1]) > _WEAK
    return Support.of(torch.where((exact.residual <= _POLISHED)[:, None], polished, active))


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, latents, codebook, lam, anchor, weights, index, valid):
        ctx.save_for_backward(latents, codebook, lam, anchor, weights, index, valid)
        return weights.view_as(weights)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        latents, codebook, lam, anchor, weights, index, valid = ctx.saved_tensors
        valid = valid & (weights.gather(1, index) > _WEAK)
        compact = Support(index, valid)
        rhs = compact.gather(grad).double()
        u = torch.empty_like(rhs)
        wide, wide_lam = codebook.double(), lam.double()
        rows = max(1, _CHUNK_ELEMENTS // max(1, index.shape[1] * max(index.shape[1], codebook.shape[1])))
        for part in torch.arange(index.shape[0], device=index.device).split(rows):
            codewords = wide[index[part]] * valid[part][..., None]
            u[part] = solve_on_support(codewords, valid[part], wide_lam, rhs[part], 0.0)
        u = compact.scatter(u, codebook.shape[0]).to(weights.dtype)
        d_latents = u @ codebook
        d_codebook = d_lam = d_anchor = None
        if ctx.needs_input_grad[1]:
            d_codebook = u.T @ (latents - weights @ codebook) - weights.T @ d_latents
        if ctx.needs_input_grad[2]:
            towards = (u * anchor).sum() if anchor.dim() == 2 else u.gather(1, anchor[:, None]).sum()
            d_lam = (towards - (u * weights).sum()).to(lam.dtype)
        if ctx.needs_input_grad[3]:
            d_anchor = lam * u
        return d_latents, d_codebook, d_lam, d_anchor, None, None, None
