"""The solution map near a solution in closed form, for derivatives of higher order and torch.func's transforms."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scq.solvers.support import Support, lifted, solve_on_support


def weights_on_support(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: Float[Tensor, ""],
    anchor: Int[Tensor, " N"] | Float[Tensor, "N K"],
    support: Support,
    values: Float[Tensor, "N S"],
) -> Float[Tensor, "N S"]:
    r"""The solution map near a solution, as tensor operations: differentiable to every order, by every transform.

    While no codeword enters or leaves the support, the weights p + d solve a linear system, with p the known ones and

        [ H_SS  1 ] [ d  ]   [ C_S (z - C^T p) + lam (a_S - p) ]
        [ 1^T   0 ] [ eta] = [                0                ].

    d is 0 up to rounding, its derivatives are those of the weights.

    Args:
        latents, codebook, lam, anchor: the instance, with whatever history.
        support: where a weight may change; nothing in a failed column.
        values: p on it, constant, 0 in unused places.

    Memory: N S (F + S) numbers in float64, until the last derivative is taken.
    """
    latents, codebook, lam, index, valid = (
        latents.double(),
        codebook.double(),
        lam.double(),
        support.index,
        support.valid,
    )
    codewords = valid[..., None] * _rows(lifted(codebook), index)
    p = torch.where(valid, values.detach().double(), 0.0)
    a = anchor.double().gather(1, index) if anchor.dim() == 2 else (index == anchor[:, None]).double()
    error = latents - (p[:, None] @ codewords).squeeze(1)[:, :-1]
    rhs = (codewords[..., :-1] @ error[..., None]).squeeze(2) + lam * (a - p)
    return p + solve_on_support(codewords, valid, lam, torch.where(valid, rhs, 0.0), 0.0)


def _rows(codebook: Float[Tensor, "K F"], index: Int[Tensor, "N S"]) -> Float[Tensor, "N S F"]:
    # Not codebook[index]: on several threads the order in which its derivative is summed differs from run to run.
    return codebook.index_select(0, index.flatten()).unflatten(0, index.shape)


def pull_back_recorded(
    latents: Tensor,
    codebook: Tensor,
    lam: Tensor,
    anchor: Tensor,
    index: Tensor,
    values: Tensor,
    active: Tensor,
    d_values: Tensor | None,
    d_combined: Tensor | None,
) -> list[Tensor | None]:
    """As :func:`scq.solvers.implicit.pull_back_by_tensors`, with a derivative of its own, and below vmap."""
    keep = torch.is_grad_enabled()
    with torch.enable_grad():
        # Views, since one input may be made of another: each has its own part of the derivative alone.
        inputs = [x.view_as(x) if x.requires_grad else x for x in (latents, codebook, lam, anchor)]
        places = Support.within(active)
        support = Support(index.gather(1, places.index), places.valid)
        p = weights_on_support(*inputs, support, places.gather(values))
        outputs, upstream = [], []
        if d_values is not None:
            outputs.append(places.scatter(p, index.shape[1]))
            upstream.append(d_values.double())
        if d_combined is not None:
            outputs.append((p[:, None] @ _rows(inputs[1].double(), support.index)).squeeze(1))
            upstream.append(d_combined.double())
        wanted = [x for x in inputs if x.requires_grad]
        found = iter(torch.autograd.grad(outputs, wanted, upstream, create_graph=keep, materialize_grads=True))
    return [next(found) if x.requires_grad else None for x in inputs]
