"""Columns that failed: what stands in their place, and how little of it the host must know.

On the CPU a question costs nothing, and what follows from it is done for the columns concerned. On a device each would
hold up the host: there everything is done for all columns, and what changes nothing is written all the same.
"""

from dataclasses import replace

import torch
from torch import Tensor

from scq.solvers.implicit import lam_is_tiny
from scq.solvers.instance import Instance
from scq.solvers.problem import Problem
from scq.solvers.weights import Weights

_SUSPECT = 1e-6
"""A lam below this may be tiny beside codewords of any usual length; above, the codewords would have to be longer than
several hundred. On a device it decides whether the host waits to know."""


def anchors(problem: Problem, dtype: torch.dtype) -> Weights:
    """The anchors as weights."""
    anchor, K = problem.anchor.detach(), problem.codebook.shape[0]
    if problem.sound is None:
        one = torch.ones((), dtype=dtype, device=anchor.device)
    else:
        # NaN where the codebook is not finite, which nobody has been told yet.
        one = problem.sound.to(dtype)
        one = one / one
    if anchor.dim() == 2:
        return Weights.dense_of(anchor.to(dtype) * one)
    return Weights(one.expand(anchor.shape[0], 1), anchor[:, None], K)


def asked(problem: Problem, instance: Instance, failed: Tensor, throw: bool) -> tuple[bool, bool | None]:
    """Whether any column failed, and whether lam is so small that derivatives may be unresolved. True and None where
    that would hold up the host: elsewhere than on the CPU for who does not want to know, unless lam is suspect."""
    suspect = problem.number is not None and problem.number < _SUSPECT
    if problem.latents.device.type != "cpu" and not throw and not suspect:
        return True, None
    # Together, since each question waits for the device.
    some, tiny = torch.stack([failed.any(), lam_is_tiny(instance.detach())]).tolist()
    return some, tiny


def perhaps_unresolved(instance: Instance, weights: Weights) -> Tensor:
    """Columns of several codewords, where lam is tiny: of what may be unresolved what can be told without asking."""
    return lam_is_tiny(instance.detach()) & ((weights.values > 0).sum(1) > 1)


def shielded(instance: Instance) -> tuple[Instance, list[Tensor]]:
    """The instance, and a list that takes which columns failed: of those no derivative comes back, which may be NaN."""
    failing: list[Tensor] = []

    def shielded(x: Tensor, by_column: bool) -> Tensor:
        if not x.requires_grad:
            return x
        # A view, since the tensor may be the user's.
        x = x.view_as(x)
        x.register_hook(lambda g: g.masked_fill(failing[0][:, None] if by_column else failing[0].all(), 0.0))
        return x

    latents, anchor = (shielded(x, by_column=True) for x in (instance.latents, instance.anchor))
    codebook, lam = (shielded(x, by_column=False) for x in (instance.codebook, instance.lam))
    return replace(instance, latents=latents, codebook=codebook, lam=lam, anchor=anchor), failing
