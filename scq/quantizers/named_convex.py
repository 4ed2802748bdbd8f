"""Soft convex quantization by name: what the registry's entries make."""

from typing import Any

from scq.quantizers.checks import at_least_one, positive
from scq.quantizers.scalars import Geometric
from scq.quantizers.soft_convex import SoftConvexQuantizer


def relaxed(
    codebook_size: int, dim: int, relaxation_steps: int = 20, relaxation_projection: str = "alternating", **options: Any
) -> SoftConvexQuantizer:
    """Soft convex quantization by the paper's relaxation.

    Args:
        codebook_size: K.
        dim: F.
        relaxation_steps: m, the clip-and-shift steps of Algorithm 2.
        relaxation_projection: ``"alternating"`` for those steps, ``"exact"`` for one projection on the simplex.
        **options: what else :class:`SoftConvexQuantizer` takes.
    """
    how = {"steps": relaxation_steps, "projection": relaxation_projection}
    return SoftConvexQuantizer(codebook_size, dim, backend="relaxed", backend_options=how, **options)


def annealed(
    codebook_size: int,
    dim: int,
    lam: float = 0.1,
    lam_end: float = 10.0,
    anneal_steps: int = 1000,
    **options: Any,
) -> SoftConvexQuantizer:
    """Soft convex quantization that becomes plain vector quantization by and by: lam grows geometrically.

        lam_s = lam (lam_end / lam)^min(s / anneal_steps, 1),   s the training steps so far

    As lam grows, the weights go to the vertex of the nearest codeword, and what is lost by decoding the argmax alone
    goes to 0. So does the derivative of the weights, as 1 / lam: in the end the decoder's error moves the codewords,
    and the latents follow through the quantization error alone.

    Args:
        codebook_size: K.
        dim: F.
        lam, lam_end: the first and the last regularisation weight, > 0.
        anneal_steps: training steps from one to the other, >= 1; then the last is held.
        **options: what else :class:`SoftConvexQuantizer` takes.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.
    """
    schedule = Geometric(positive("lam", lam), positive("lam_end", lam_end), at_least_one("anneal_steps", anneal_steps))
    return SoftConvexQuantizer(codebook_size, dim, schedule, **options)
