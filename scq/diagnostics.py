"""The gap: the same latents quantized exactly and by the relaxation, and what the difference does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss

from scq import solvers
from scq.quantizers.means import mean_square
from scq.quantizers.usage import SUPPORT
from scq.solvers.clock import now
from scq.solvers.registry import DEFAULT_BACKEND, get


def measure_gap(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: float = 0.1,
    *,
    decode: Callable[[Tensor], Tensor] | None = None,
    target: Float[Tensor, "..."] | None = None,
    variance: float = 1.0,
    quantization_weight: float = 1.0,
    backend: str = DEFAULT_BACKEND,
    tol: float | None = None,
    steps: int = 20,
    projection: str = "alternating",
) -> dict[str, float]:
    r"""Solves the same latents exactly and by the relaxation and compares everything that a training step uses.

    Gradients are those of the training loss as a function of latents Z and codebook C,

        L(Z, C) = ||decode(z_q) - target||^2 / variance + w ||z_q - z||^2      (means, not sums),   z_q = C^T p(Z, C),

    through each solver's own derivative: implicit differentiation for the exact one, autograd through the loop for the
    relaxation. Nothing is accumulated into any parameter.

    Args:
        latents: (N, F).
        codebook: (K, F).
        lam: the regularisation weight of Eq. 7.
        decode: maps quantized latents (N, F) to pictures. None leaves the pictures' term and its numbers out.
        target: the pictures that ``decode`` should give; needed with ``decode``.
        variance: of the data, by which the training loss divides the pictures' error.
        quantization_weight: w.
        backend: the exact solver.
        tol: of the exact solver; None for its default.
        steps: m of the relaxation.
        projection: which of its two projections.

    Returns:
        Plain numbers. "exact" and "relaxed" name the solver, "difference" is relaxed minus exact, means are over
        latents:
        weights_l1, weights_l2: mean distance of the weights.
        support_exact, support_relaxed, support_overlap: mean support sizes, and mean |A and B| / |A or B|.
        quantization_mse_exact, _relaxed: ||z_q - z||^2, a channel.
        decoded_mse_exact, _relaxed, _difference: the error of the pictures, when there is ``decode``.
        kkt_exact, kkt_relaxed: the largest relative KKT residual; primal_exact, primal_relaxed: its primal part, by how
            much the weights leave the simplex.
        duality_gap_exact, duality_gap_relaxed: mean Frank-Wolfe gap of the weights, projected on the simplex: a
            bound of how much more their objective is than the smallest.
        certificate_exact, certificate_relaxed: mean upper bound of the weights' distance to the true solution.
        gradient_latents_cosine, gradient_latents_ratio: of dL/dZ; ratio is the relaxed norm over the exact one.
        gradient_codebook_cosine, gradient_codebook_ratio: of dL/dC.
        converged_share: of the exact solver.
        seconds: what this call cost.

    Raises:
        ValueError: decode without target, an unknown backend, or one that is not exact.

    Source: arXiv 2310.03004, Eq. 7 against Algorithm 2.
    """
    if (decode is None) != (target is None):
        raise ValueError("decode and target must be given together")
    if not get(backend).exact:
        raise ValueError(f"backend is {backend!r}, must be exact: the gap is measured from an exact solution")
    # Otherwise the first number to be read would pay for the training step before.
    start = now(latents.device)

    def loss(z: Tensor, quantized: Tensor) -> tuple[Tensor, Tensor]:
        quantization = quantization_weight * mean_square(quantized - z)
        if decode is None or target is None:
            return quantization, torch.zeros_like(quantization)
        mse = mse_loss(decode(quantized), target)
        return mse / variance + quantization, mse.detach()

    dtype = torch.promote_types(latents.dtype, torch.float32)
    z, c = latents.detach().to(dtype), codebook.detach().to(dtype)
    exact = _Side.of(z, c, lam, loss, backend, tol=tol)
    relaxed = _Side.of(z, c, lam, loss, "relaxed", steps=steps, projection=projection)
    gap = exact.numbers("exact") | relaxed.numbers("relaxed") | _differences(exact, relaxed)
    gap["converged_share"] = exact.solution.converged.double().mean()
    if decode is None:
        gap = {name: value for name, value in gap.items() if not name.startswith("decoded")}
    # One transfer for all numbers: each costs a wait for the device.
    values = torch.stack([value.double() for value in gap.values()]).tolist()
    return dict(zip(gap, values, strict=True)) | {"seconds": now(latents.device) - start}


@dataclass(frozen=True)
class _Side:
    """One solver's answer and the gradients through it."""

    solution: solvers.Solution
    error: Tensor
    picture_mse: Tensor
    gradients: tuple[Tensor, Tensor]

    @staticmethod
    def of(latents: Tensor, codebook: Tensor, lam: float, loss: Callable, backend: str, **options: Any) -> "_Side":
        z, c = latents.clone().requires_grad_(), codebook.clone().requires_grad_()
        with torch.enable_grad(), torch.autocast(z.device.type, enabled=False):
            solution = solvers.solve(solvers.Problem(z, c, lam), backend, throw=False, **options)
            quantized = solution.reconstruction
            value, picture_mse = loss(z, quantized)
            gradients = torch.autograd.grad(value, (z, c))
        return _Side(solution, (quantized - z).detach(), picture_mse, gradients)

    @property
    def weights(self) -> Tensor:
        return self.solution.weights.detach()

    @property
    def support(self) -> Tensor:
        return self.weights > SUPPORT

    def numbers(self, name: str) -> dict[str, Tensor]:
        residuals = self.solution.residuals
        return {
            f"support_{name}": self.support.sum(1).double().mean(),
            f"quantization_mse_{name}": mean_square(self.error),
            f"decoded_mse_{name}": self.picture_mse,
            f"kkt_{name}": residuals.relative.amax(),
            f"primal_{name}": residuals.primal.amax(),
            f"duality_gap_{name}": residuals.gap.mean(),
            f"certificate_{name}": residuals.weights_bound.mean(),
        }


def _differences(exact: _Side, relaxed: _Side) -> dict[str, Tensor]:
    difference = relaxed.weights - exact.weights
    common = (exact.support & relaxed.support).sum(1)
    union = (exact.support | relaxed.support).sum(1)
    numbers = {
        "weights_l1": difference.abs().sum(1).mean(),
        "weights_l2": difference.norm(dim=1).mean(),
        "support_overlap": (common / union.clamp_min(1)).mean(),
        "decoded_mse_difference": relaxed.picture_mse - exact.picture_mse,
    }
    for name, of_exact, of_relaxed in zip(("latents", "codebook"), exact.gradients, relaxed.gradients, strict=True):
        a, b = of_exact.flatten().double(), of_relaxed.flatten().double()
        numbers[f"gradient_{name}_cosine"] = cosine_similarity(a, b, dim=0)
        numbers[f"gradient_{name}_ratio"] = b.norm() / a.norm()
    return numbers
