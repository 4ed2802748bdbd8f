"""The methods of the field, each put together from its parts.

K is ``codebook_size``, F is ``dim``, z a latent, c_k its code, z_q what replaces it, sg the stop-gradient; squares are
averaged over latents and channels. All take ``channel_dim`` and ``init`` among their options, and refuse wrong ones, as
:class:`scq.quantizers.composed.ComposedQuantizer` does.
"""

import math
from typing import Any

from scq.quantizers.assignments import Gumbel, Nearest, Rounding, Softmax
from scq.quantizers.checks import at_least_one
from scq.quantizers.codebooks import EMA, Codebook, Diagonal, Direct, FixedGrid, Linear, LinearJoint
from scq.quantizers.codebooks.fixed_grid import levels_for
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.gradients import Gradient, Rotation, Soft, StraightThrough
from scq.quantizers.regularizers import (
    KNNCE,
    KNNL2,
    CodebookTerm,
    Commitment,
    MeanPerplexity,
    QuantizationError,
    Regularizer,
)


def vq_ema(
    codebook_size: int,
    dim: int,
    commitment_weight: float = 0.25,
    decay: float = 0.99,
    revive_below: float = 0.1,
    **options: Any,
) -> ComposedQuantizer:
    """Vector quantization whose codewords are moving averages of their latents.

        z_q = z + sg(c_k - z),   loss = beta ||z - sg(c_k)||^2

    Args:
        commitment_weight: beta, >= 0.
        decay, revive_below: of :class:`scq.quantizers.codebooks.EMA`.

    Source: arXiv 1711.00937, appendix A.1.
    """
    codebook, terms = EMA(decay, revive_below), (Commitment(commitment_weight),)
    return ComposedQuantizer(codebook_size, dim, codebook, Nearest(), StraightThrough(), terms, **options)


def rotation(codebook_size: int, dim: int, commitment_weight: float = 0.25, **options: Any) -> ComposedQuantizer:
    """Vector quantization with the rotation trick, :class:`scq.quantizers.gradients.Rotation`.

        z_q = sg(|c_k| / |z| R) z,   loss = ||sg(z) - c_k||^2 + beta ||z - sg(c_k)||^2

    Args:
        commitment_weight: beta, >= 0. The paper has 1.

    Source: arXiv 2410.06424.
    """
    return _nearest(codebook_size, dim, Direct(), commitment_weight, Rotation(), **options)


def simvq(codebook_size: int, dim: int, commitment_weight: float = 0.25, **options: Any) -> ComposedQuantizer:
    """SimVQ: codewords C W, of which W is learned; :class:`scq.quantizers.codebooks.Linear`.

        z_q = z + sg(c_k - z),   loss = ||sg(z) - c_k||^2 + beta ||z - sg(c_k)||^2

    Args:
        commitment_weight: beta, >= 0.

    Source: arXiv 2411.02038.
    """
    return _nearest(codebook_size, dim, Linear(), commitment_weight, **options)


def simvq_joint(codebook_size: int, dim: int, commitment_weight: float = 0.25, **options: Any) -> ComposedQuantizer:
    """:func:`simvq` with C and W learned.

    Source: https://kexue.fm/archives/10519.
    """
    return _nearest(codebook_size, dim, LinearJoint(), commitment_weight, **options)


def simvq_diagonal(codebook_size: int, dim: int, commitment_weight: float = 0.25, **options: Any) -> ComposedQuantizer:
    """:func:`simvq` with codewords C diag(w), C and w learned.

    Source: https://kexue.fm/archives/10519.
    """
    return _nearest(codebook_size, dim, Diagonal(), commitment_weight, **options)


def fsq(codebook_size: int, dim: int, levels: tuple[int, ...] | None = None, **options: Any) -> ComposedQuantizer:
    """Finite scalar quantization, :class:`scq.quantizers.assignments.Rounding`; nothing in the codebook is learned.

    Args:
        codebook_size: what the grid should have about, when ``levels`` does not say it: the layer's ``codebook_size``
            is the product of the levels.
        dim: F; linear layers lead to the grid's channels and back when there are not F of them.
        levels: of each channel; None for :func:`scq.quantizers.codebooks.fixed_grid.levels_for` the size.

    Source: arXiv 2309.15505.
    """
    levels = levels_for(at_least_one("codebook_size", codebook_size)) if levels is None else tuple(levels)
    grid = FixedGrid(levels)
    return ComposedQuantizer(math.prod(levels), dim, grid, Rounding(levels), StraightThrough(), **options)


def gumbel(
    codebook_size: int,
    dim: int,
    quantization_weight: float = 1.0,
    start: float = 1.0,
    end: float = 0.5,
    anneal_steps: int = 1000,
    **options: Any,
) -> ComposedQuantizer:
    """Gumbel-softmax over the distances, annealed; hard at test.

        z_q = sum_k p_k c_k,   p = softmax((-||z - c_k||^2 + g_k) / t),   loss = w ||z_q - z||^2

    Args:
        quantization_weight: w, >= 0.
        start, end, anneal_steps: of :class:`scq.quantizers.assignments.Gumbel`.

    Source: arXiv 1611.01144.
    """
    terms = (QuantizationError(quantization_weight),)
    assignment = Gumbel(start, end, anneal_steps)
    return ComposedQuantizer(codebook_size, dim, Direct(), assignment, Soft(), terms, **options)


def smoothed_knn_l2(
    codebook_size: int, dim: int, regularizer_weight: float = 0.1, neighbours: int = 8, **options: Any
) -> ComposedQuantizer:
    """Smoothed vector quantization, drawn to the vertices by the squared distance.

        z_q = sum_k p_k c_k,   p = softmax(-||z - c_k||^2 / t),   loss = w ||z_q - z||^2 + v KNN-L2(p)

    Args:
        regularizer_weight, neighbours: v and the rest of :class:`scq.quantizers.regularizers.KNNL2`.
        **options: also quantization_weight, w, and temperature, t.

    Source: arXiv 2509.22161.
    """
    return _smoothed(codebook_size, dim, KNNL2(regularizer_weight, neighbours), **options)


def smoothed_knn_ce(
    codebook_size: int, dim: int, regularizer_weight: float = 0.1, neighbours: int = 8, **options: Any
) -> ComposedQuantizer:
    """:func:`smoothed_knn_l2` with the cross-entropy for the squared distance.

    Args:
        regularizer_weight, neighbours: v and the rest of :class:`scq.quantizers.regularizers.KNNCE`.
        **options: also quantization_weight, w, and temperature, t.

    Source: arXiv 2509.22161.
    """
    return _smoothed(codebook_size, dim, KNNCE(regularizer_weight, neighbours), **options)


def smoothed_perplexity(
    codebook_size: int, dim: int, regularizer_weight: float = 0.1, **options: Any
) -> ComposedQuantizer:
    """:func:`smoothed_knn_l2` with wav2vec 2.0's diversity loss for the neighbours.

    Args:
        regularizer_weight: v, of :class:`scq.quantizers.regularizers.MeanPerplexity`.
        **options: also quantization_weight, w, and temperature, t.

    Source: arXiv 2006.11477.
    """
    return _smoothed(codebook_size, dim, MeanPerplexity(regularizer_weight), **options)


def _nearest(
    codebook_size: int,
    dim: int,
    codebook: Codebook,
    commitment_weight: float,
    gradient: Gradient | None = None,
    **options: Any,
) -> ComposedQuantizer:
    terms = (CodebookTerm(), Commitment(commitment_weight))
    return ComposedQuantizer(codebook_size, dim, codebook, Nearest(), gradient or StraightThrough(), terms, **options)


def _smoothed(
    codebook_size: int,
    dim: int,
    regularizer: Regularizer,
    quantization_weight: float = 1.0,
    temperature: float = 1.0,
    **options: Any,
) -> ComposedQuantizer:
    terms = (QuantizationError(quantization_weight), regularizer)
    return ComposedQuantizer(codebook_size, dim, Direct(), Softmax(temperature), Soft(), terms, **options)
