"""The gap: the same latents quantized exactly and by the relaxation, and what the difference does."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import mse_loss

from scq import solvers
from scq.models.base import Model, Objective
from scq.programme import Programme, convex_places
from scq.quantizers.base import Quantizer
from scq.quantizers.calls import Call, evaluated
from scq.quantizers.layout import positions
from scq.quantizers.means import mean_square
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.sides import at_latents, gap, gap_of_calls, gap_of_layer
from scq.solvers.registry import DEFAULT_BACKEND, get
from scq.training.config import CommonConfig


def gap_of(
    model: Model,
    batch: Shaped[Tensor, "B ..."],
    config: CommonConfig,
    *,
    output: Objective | None = None,
    calls: Sequence[Call] | None = None,
    **relaxation: Any,
) -> dict[str, float]:
    r"""The gap of a model on a batch: everything that a training step uses, by the exact solve and by the relaxation.

    Gradients are those of the loss that the model is trained with, as a function of latents Z and codebook C,

        L(Z, C) = loss of the model(z_q, batch) + loss of the quantizer (w ||z_q - z||^2 + regularizers),

    with z_q = C^T p(Z, C), through each solver's own derivative; the model's own loss is that of
    :meth:`scq.models.Model.loss`, of the autoencoder ||decode(z_q) - pictures||^2 / variance. lam, the weights of the
    terms, the solver and its options are those of the model; what the model does not have (the relaxation, of one that
    solves exactly) is in the settings of its run. Nothing is accumulated into any parameter.

    Args:
        model: with a soft convex quantizer; it has met the data (:meth:`scq.models.Model.meet`).
        batch: as the model takes it.
        config: the settings of its run.
        output: what the model made of the batch, where it is there already: in a training step, whose lam it has.
            Otherwise the batch is encoded.
        calls: of several quantizers in one, what they did then (:func:`scq.quantizers.calls.recorded`), where
            ``output`` is given. Otherwise the latents are quantized once more, as in evaluation.
        **relaxation: ``steps`` or ``projection`` of the relaxation, in place of the run's.

    Returns:
        The numbers of :func:`measure_gap`; of each number that the model's loss has by name, as mse,
        decoded_mse_exact, _relaxed and _difference. Of residual and grouped quantizers, that of each stage or group
        while the others are held, as ``weights_l2/0``, and ``weights_l2`` of all: the mean, of seconds the sum, of KKT
        residuals the largest.

    Raises:
        TypeError: the model's quantizer is no soft convex one, nor are all those in it.
        ValueError: the model's loss needs something of the data, which it has not met.

    Source: arXiv 2310.03004, Eq. 7 against Algorithm 2.
    """
    quantizer = model.quantizer
    convex_places(quantizer)
    if output is None or output.latents is None or output.quantized is None:
        with torch.no_grad():
            x, lam = model.encode(batch), None
    else:
        x, lam = output.latents, output.quantized.info["lam"]

    def loss(quantized: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return model.loss(quantized, batch)

    if isinstance(quantizer, SoftConvexQuantizer):
        lam = None if lam is None else float(lam)
        return gap_of_layer(quantizer, x, config, loss, lam=lam, **relaxation)
    if output is None or output.quantized is None or calls is None:
        calls, quantized = evaluated(quantizer, x)
    else:
        quantized = output.quantized
    return gap_of_calls(calls, quantized.quantized, config, loss, **relaxation)


@torch.no_grad()
def gap_at_latents(
    model: Model, batch: Shaped[Tensor, "B ..."], config: CommonConfig, **relaxation: Any
) -> dict[str, Shaped[Tensor, "..."]]:
    """The part of :func:`gap_of` that each latent has for itself.

    Args:
        model: with a soft convex quantizer.
        batch: as the model takes it.
        config: the settings of its run, or what it has in common with others.
        **relaxation: as for :func:`gap_of`.

    Returns:
        weights_l1, weights_l2 (NaN where the exact solver failed), support_exact, support_relaxed and support_overlap:
        of which :func:`gap_of` has the means. Each has the shape of the latents without their channels. Of residual and
        grouped quantizers supports are the sums over stages and groups, the others the means.

    Raises:
        TypeError: the model's quantizer is no soft convex one, nor are all those in it.
    """
    quantizer, x = model.quantizer, model.encode(batch)
    convex_places(quantizer)
    alone = isinstance(quantizer, SoftConvexQuantizer)
    given = [(quantizer, x)] if alone else [(call.place.layer, call.x) for call in evaluated(quantizer, x)[0]]
    found = [_at_latents(layer, own, config, **relaxation) for layer, own in given]
    numbers, shape = {}, positions(x, quantizer.channel_dim)
    for name in found[0]:
        values = torch.stack([one[name] for one in found])
        values = values.sum(0) if name in ("support_exact", "support_relaxed") else values.mean(0)
        numbers[name] = values.reshape(shape)
    return numbers


def _at_latents(
    layer: Quantizer, x: Tensor, config: CommonConfig, **relaxation: Any
) -> dict[str, Shaped[Tensor, " N"]]:
    assert isinstance(layer, SoftConvexQuantizer)
    programme = Programme.of(layer, x, config, **relaxation)
    exact, relaxed = programme.solve("exact", "none"), programme.solve("relaxed", "none")
    numbers = at_latents(exact, relaxed)
    for name in ("weights_l1", "weights_l2"):
        numbers[name] = torch.where(exact.failed, torch.nan, numbers[name])
    return numbers


def measure_gap(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: float = 0.1,
    *,
    decode: Callable[[Tensor], Tensor] | None = None,
    target: Float[Tensor, "..."] | None = None,
    variance: float | None = None,
    quantization_weight: float = 1.0,
    backend: str = DEFAULT_BACKEND,
    tol: float | None = None,
    steps: int = 20,
    projection: str = "alternating",
) -> dict[str, float]:
    r"""The gap on bare latents and a codebook; of a model that was trained here, :func:`gap_of` has all arguments.

    Gradients are those of

        L(Z, C) = ||decode(z_q) - target||^2 / variance + w ||z_q - z||^2      (means, not sums),   z_q = C^T p(Z, C),

    through each solver's own derivative: implicit differentiation for the exact one, autograd through the loop for the
    relaxation. Nothing is accumulated into any parameter.

    Args:
        latents: (N, F).
        codebook: (K, F).
        lam: the regularisation weight of Eq. 7.
        decode: maps quantized latents (N, F) to pictures. None leaves the pictures' term and its numbers out.
        target: the pictures that ``decode`` should give; needed with ``decode``.
        variance: by which the loss divides the pictures' error; needed with ``decode``, since the direction of every
            gradient depends on it.
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
        ValueError: decode, target and variance not given together, an unknown backend, or one that is not exact.

    Source: arXiv 2310.03004, Eq. 7 against Algorithm 2.
    """
    if not (decode is None) == (target is None) == (variance is None):
        raise ValueError("decode, target and variance must be given together")
    if not get(backend).exact:
        raise ValueError(f"backend is {backend!r}, must be exact: the gap is measured from an exact solution")

    def loss(z: Tensor, solution: solvers.Solution) -> tuple[Tensor, dict[str, Tensor]]:
        quantization = quantization_weight * mean_square(solution.reconstruction - z)
        if decode is None or target is None or variance is None:
            return quantization, {}
        mse = mse_loss(decode(solution.reconstruction), target)
        return mse / variance + quantization, {"mse": mse.detach()}

    exact = {"backend": backend, "tol": tol}
    relaxed = {"backend": "relaxed", "steps": steps, "projection": projection}
    return gap(Programme(latents.detach(), codebook.detach(), lam, exact, relaxed), loss)
