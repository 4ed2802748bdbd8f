r"""The clip-and-shift steps of the relaxation, m times

    P <- max(0, P);   P_n <- P_n - (sum(P_n) - 1) / K,

of a row x that sums to 1. A step lowers every positive entry by the same amount, which is never negative, so that an
entry which is clipped once is clipped by all steps that follow. The state of a row is one number, by how much its
entries were lowered so far,

    t_0 = 0,   t_{j+1} = t_j + (sum_k max(0, x_k - t_j) - 1) / K = mean_k max(x_k, t_j) - 1 / K,

the last step gives max(0, x - t_{m-1}), shifted, and the derivative needs x and m numbers a row, no array of each step.

Step j takes a gradient g to g - mean(g) on A_j = {k: x_k >= t_j}, of n_j entries, and to 0 elsewhere. These sets shrink
with j, and with s_j the mean that step j subtracts, from the last step to the first,

    s_{m-1} = mean(g),   K s_{m-2} = sum_{k in A_{m-1}} g_k - n_{m-1} s_{m-1},   s_{j-1} = (1 - n_j / K) s_j.

An entry in c of the sets has the derivative (g_k if c = m, otherwise 0) - (s_0 + ... + s_{c-1}).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scq.solvers.transforms import transformed


def clip_and_shift(P: Float[Tensor, "N K"], steps: int) -> Float[Tensor, "N K"]:
    """That many steps, at least one, of rows of any sum; differentiable to every order."""
    # Compilers and transforms see through plain steps. For the others the first one makes the sums 1.
    plain = steps if torch.compiler.is_compiling() or transformed() else 1
    for _ in range(plain):
        P = P.clamp_min(0.0)
        P = P - (P.sum(1, keepdim=True) - 1) / P.shape[1]
    return P if plain == steps else _Steps.apply(P, steps - plain)[0]


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, m: int) -> tuple[Tensor, Tensor]:
        K, spare, lowered = x.shape[1], torch.empty_like(x), [x.new_zeros(x.shape[0], 1)]
        for _ in range(m - 1):
            torch.maximum(x, lowered[-1], out=spare)
            lowered.append(spare.mean(1, keepdim=True).sub_(1 / K))
        P = torch.sub(x, lowered[-1], out=spare).clamp_min_(0.0)
        # By rounding alone it may fall, and what is searched in must not.
        return P.sub_((P.sum(1, keepdim=True) - 1) / K), torch.cat(lowered, 1).cummax(1).values

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])
        ctx.save_for_forward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Any) -> tuple[Tensor, None]:
        x, t = (saved.detach() for saved in ctx.saved_tensors)
        (N, K), m = x.shape, t.shape[1]
        c = torch.searchsorted(t, x, right=True)
        # Column j of the first has how many entries are in j sets, of the second n_j.
        exactly = x.new_zeros(N, m + 1).scatter_add_(1, c, x.new_ones(()).expand(N, K))
        n = exactly[:, 1:].flip(1).cumsum(1).flip(1)
        inside = torch.where(c == m, g, 0.0)
        last = g.mean(1, keepdim=True)
        before = (inside.sum(1, keepdim=True) - n[:, -1:] * last) / K
        ratios = (1 - n[:, 1:-1] / K).flip(1).cumprod(1).flip(1)
        s = torch.cat([before * ratios, before, last], 1)[:, -m:]
        return inside - torch.cat([torch.zeros_like(last), s.cumsum(1)], 1).gather(1, c), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> tuple[Tensor, None]:
        x, t = ctx.saved_tensors
        for lowered in t.unbind(1):
            tangent = torch.where(x >= lowered[:, None], tangent, 0.0)
            tangent = tangent - tangent.mean(1, keepdim=True)
        return tangent, None
