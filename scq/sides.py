"""The two sides of the gap: one programme solved exactly and by the relaxation, and how far they are apart."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from scq import solvers
from scq.programme import Programme, Side
from scq.quantizers.assignments import SoftConvex
from scq.quantizers.calls import Call, together
from scq.quantizers.layout import check_mask, from_rows
from scq.quantizers.means import mean_square
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.quantizers.usage import SUPPORT
from scq.solvers.clock import now
from scq.solvers.padding import spread
from scq.solvers.solution import Solved
from scq.training.config import CommonConfig

Loss = Callable[[Tensor, solvers.Solution], tuple[Tensor, dict[str, Tensor]]]
"""From latents and their solution to the loss, and numbers of what was decoded, where anything was."""

LossOfQuantized = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]
"""From quantized latents to the loss, and detached numbers by name."""


def gap(programme: Programme, loss: Loss) -> dict[str, float]:
    """The numbers of :func:`scq.diagnostics.measure_gap`."""
    # Otherwise the first number to be read would pay for the training step before.
    start = now(programme.latents.device)
    exact, relaxed = _Side.of(programme, "exact", loss), _Side.of(programme, "relaxed", loss)
    both = exact.numbers("exact") | relaxed.numbers("relaxed") | _differences(exact, relaxed)
    both["converged_share"] = exact.solution.converged.double().mean()
    # One transfer for all numbers: each costs a wait for the device.
    values = torch.stack([value.double() for value in both.values()]).tolist()
    return dict(zip(both, values, strict=True)) | {"seconds": now(programme.latents.device) - start}


def gap_of_layer(
    quantizer: SoftConvexQuantizer,
    x: Float[Tensor, "..."],
    config: CommonConfig,
    loss: LossOfQuantized | None = None,
    *,
    lam: float | None = None,
    mask: Bool[Tensor, "..."] | None = None,
    **relaxation: Any,
) -> dict[str, float]:
    """The gap of a layer in whatever model, with the gradients of its own loss and one that is given.

    Args:
        quantizer: the layer.
        x: what it was given.
        config: has the solver that the layer does not have.
        loss: of the quantized latents, in the layout of x: a scalar, and detached numbers by name. None for the layer's
            own loss alone.
        lam: with which x was quantized; None for its value now.
        mask: as the layer was given it. What is padded counts nowhere, and is 0 in the quantized latents.
        **relaxation: ``steps`` or ``projection`` of the relaxation, in place of those.

    Returns:
        The numbers of :func:`scq.diagnostics.measure_gap`; of each number that the loss has by name, decoded_..._exact,
        _relaxed and _difference.
    """
    valid, programme = check_mask(x, mask, quantizer.channel_dim), Programme.of(quantizer, x, config, lam, **relaxation)
    if valid is not None:
        programme = replace(programme, latents=programme.latents[valid])

    def of_solution(z: Tensor, solution: solvers.Solution) -> tuple[Tensor, dict[str, Tensor]]:
        problem = solution.problem
        assigned = SoftConvex.assigned(Solved.of(solution), problem.codebook, problem.lam)
        if loss is None:
            return quantizer.loss_of(z, assigned), {}
        rows = quantizer.gradient(assigned)
        if valid is not None:
            rows = spread(rows, valid)
        value, numbers = loss(from_rows(rows, x, quantizer.channel_dim))
        return value + quantizer.loss_of(z, assigned), numbers

    return gap(programme, of_solution)


def gap_of_calls(
    calls: Iterable[Call],
    quantized: Float[Tensor, "..."],
    config: CommonConfig,
    loss: LossOfQuantized | None = None,
    **relaxation: Any,
) -> dict[str, float]:
    """The gap of the soft convex quantizers in a layer, each for itself, while what the others return is held.

    Args:
        calls: what they did in a pass.
        quantized: what the layer returned.
        config: has the solver that a layer does not have.
        loss: of what the layer returns, as for :func:`gap_of_layer`.
        **relaxation: as for :func:`gap_of_layer`.

    Returns:
        The numbers of :func:`gap_of_layer`; of several quantizers as :func:`scq.quantizers.calls.together` has them.
    """
    gaps = {}
    for call in calls:
        layer = call.place.layer
        if isinstance(layer, SoftConvexQuantizer):
            of_own = loss if loss is None else functools.partial(_within, loss, call, quantized)
            told = {"lam": call.lam(), "mask": call.mask, **relaxation}
            gaps[call.place.index] = {} if call.empty else gap_of_layer(layer, call.x, config, of_own, **told)
    return together(gaps)


def _within(loss: LossOfQuantized, call: Call, quantized: Tensor, own: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    return loss(call.within(quantized, own))


@dataclass(frozen=True)
class _Side:
    """One solver's answer and the gradients through it."""

    solution: solvers.Solution
    error: Tensor
    decoded: dict[str, Tensor]
    gradients: tuple[Tensor, Tensor]

    @staticmethod
    def of(programme: Programme, side: Side, loss: Loss) -> "_Side":
        dtype = torch.promote_types(programme.latents.dtype, torch.float32)
        z, c = (x.to(dtype).clone().requires_grad_() for x in (programme.latents, programme.codebook))
        with torch.enable_grad(), torch.autocast(z.device.type, enabled=False):
            solution = replace(programme, latents=z, codebook=c).solve(side)
            value, decoded = loss(z, solution)
            gradients = torch.autograd.grad(value, (z, c))
        return _Side(solution, (solution.reconstruction - z).detach(), decoded, gradients)

    def numbers(self, name: str) -> dict[str, Tensor]:
        residuals = self.solution.residuals
        return {f"decoded_{number}_{name}": value for number, value in self.decoded.items()} | {
            f"quantization_mse_{name}": mean_square(self.error),
            f"kkt_{name}": residuals.relative.amax(),
            f"primal_{name}": residuals.primal.amax(),
            f"duality_gap_{name}": residuals.gap.mean(),
            f"certificate_{name}": residuals.weights_bound.mean(),
        }


def _differences(exact: _Side, relaxed: _Side) -> dict[str, Tensor]:
    apart = at_latents(exact.solution, relaxed.solution)
    # A number of codewords is no float yet.
    numbers = {name: (x if x.is_floating_point() else x.double()).mean() for name, x in apart.items()}
    for name, value in exact.decoded.items():
        numbers[f"decoded_{name}_difference"] = relaxed.decoded[name] - value
    for name, of_exact, of_relaxed in zip(("latents", "codebook"), exact.gradients, relaxed.gradients, strict=True):
        a, b = of_exact.flatten().double(), of_relaxed.flatten().double()
        numbers[f"gradient_{name}_cosine"] = cosine_similarity(a, b, dim=0)
        numbers[f"gradient_{name}_ratio"] = b.norm() / a.norm()
    return numbers


def at_latents(exact: solvers.Solution, relaxed: solvers.Solution) -> dict[str, Tensor]:
    """What each latent has for itself: distances of its weights, and its supports."""
    a, b = exact.weights.detach(), relaxed.weights.detach()
    difference, of_exact, of_relaxed = b - a, a > SUPPORT, b > SUPPORT
    return {
        "weights_l1": difference.abs().sum(1),
        "weights_l2": difference.norm(dim=1),
        "support_exact": of_exact.sum(1),
        "support_relaxed": of_relaxed.sum(1),
        "support_overlap": (of_exact & of_relaxed).sum(1) / (of_exact | of_relaxed).sum(1).clamp_min(1),
    }
