"""The registry of quantizers: one frozen entry each, imported when its quantizer is made.

This module imports no torch, so that the command line can list the quantizers in milliseconds.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scq.quantizers.base import Quantizer


@dataclass(frozen=True)
class Parts:
    """What a quantizer is made of, by the names of the parts.

    Args:
        codebook: how the codewords are held and moved.
        assignment: how a latent finds its code.
        gradient: how a gradient passes.
        regularizers: the terms of the loss.
    """

    codebook: str
    assignment: str
    gradient: str
    regularizers: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuantizerInfo:
    """One quantizer: what it is, where its code lives, and what a training run sets.

    Args:
        name: the name that ``scq.quantizer(name, ...)`` takes.
        title: one line for people.
        factory: ``"module:callable"``, called with ``codebook_size``, ``dim`` and the options.
        parts: what it is made of; None when it has no parts.
        settings: the fields of :class:`scq.training.TrainConfig` that are options of this quantizer.
        convex: True when its weights answer the programme of arXiv 2310.03004, Eq. 7, exactly or relaxed.
        citation: whom to cite.
    """

    name: str
    title: str
    factory: str
    parts: Parts | None = None
    settings: tuple[str, ...] = ()
    convex: bool = False
    citation: str = ""

    def make(self, codebook_size: int, dim: int, **options: Any) -> "Quantizer":
        """The quantizer, with fresh parameters."""
        module, attribute = self.factory.split(":")
        factory = getattr(importlib.import_module(module), attribute)
        return factory(codebook_size, dim, **options)


_SCQ = (
    "Gautam et al., Soft Convex Quantization: Revisiting Vector Quantization with Convex Optimization, arXiv 2310.03004"
)
_VQ = "van den Oord et al., Neural Discrete Representation Learning, arXiv 1711.00937"
_SIMVQ = "Zhu et al., SimVQ: Addressing Representation Collapse with One Linear Layer, arXiv 2411.02038"
_SU = "Su, https://kexue.fm/archives/10519"
_KNN = "Morita, arXiv 2509.22161"
_HALVES = ("codebook", "commitment")
_ENTRIES = {
    entry.name: entry
    for entry in (
        QuantizerInfo(
            "scq",
            "soft convex quantization, solved exactly",
            "scq.quantizers.soft_convex:SoftConvexQuantizer",
            Parts("direct", "exact SCQ", "implicit", ("quantization_error",)),
            settings=("lam", "backend", "quantization_weight", "init"),
            convex=True,
            citation=_SCQ,
        ),
        QuantizerInfo(
            "scq_relaxed",
            "soft convex quantization by the paper's scalable relaxation (Algorithm 2)",
            "scq.quantizers.soft_convex:relaxed",
            Parts("direct", "relaxed SCQ", "autograd", ("quantization_error",)),
            settings=("lam", "relaxation_steps", "quantization_weight", "init"),
            convex=True,
            citation=_SCQ,
        ),
        QuantizerInfo(
            "vq",
            "vector quantization with the straight-through gradient",
            "scq.quantizers.vector:VectorQuantizer",
            Parts("direct", "nearest", "straight_through", _HALVES),
            settings=("commitment_weight", "init"),
            citation=_VQ,
        ),
        QuantizerInfo(
            "none",
            "no quantization: the plain autoencoder, an upper bound of the others",
            "scq.quantizers.identity:no_quantizer",
        ),
        QuantizerInfo(
            "vq_ema",
            "vector quantization, codewords as moving averages, dead ones revived",
            "scq.quantizers.named:vq_ema",
            Parts("ema", "nearest", "straight_through", ("commitment",)),
            settings=("commitment_weight", "init"),
            citation=f"{_VQ}, appendix A.1",
        ),
        QuantizerInfo(
            "rotation",
            "vector quantization with the rotation trick",
            "scq.quantizers.named:rotation",
            Parts("direct", "nearest", "rotation", _HALVES),
            settings=("commitment_weight", "init"),
            citation="Fifty et al., Restructuring Vector Quantization with the Rotation Trick, arXiv 2410.06424",
        ),
        QuantizerInfo(
            "simvq",
            "SimVQ: a frozen codebook times a learned matrix",
            "scq.quantizers.named:simvq",
            Parts("linear", "nearest", "straight_through", _HALVES),
            settings=("commitment_weight",),
            citation=_SIMVQ,
        ),
        QuantizerInfo(
            "simvq_joint",
            "SimVQ with both factors learned",
            "scq.quantizers.named:simvq_joint",
            Parts("linear_joint", "nearest", "straight_through", _HALVES),
            settings=("commitment_weight",),
            citation=_SU,
        ),
        QuantizerInfo(
            "simvq_diagonal",
            "a learned codebook times a learned diagonal matrix",
            "scq.quantizers.named:simvq_diagonal",
            Parts("diagonal", "nearest", "straight_through", _HALVES),
            settings=("commitment_weight", "init"),
            citation=_SU,
        ),
        QuantizerInfo(
            "fsq",
            "finite scalar quantization: each channel rounded to a few levels",
            "scq.quantizers.named:fsq",
            Parts("fixed_grid", "rounding", "straight_through"),
            citation="Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, arXiv 2309.15505",
        ),
        QuantizerInfo(
            "gumbel",
            "Gumbel-softmax of the distances, annealed, hard at test",
            "scq.quantizers.named:gumbel",
            Parts("direct", "gumbel", "soft", ("quantization_error",)),
            settings=("quantization_weight", "init"),
            citation="Jang et al., Categorical Reparameterization with Gumbel-Softmax, arXiv 1611.01144",
        ),
        QuantizerInfo(
            "smoothed_knn_l2",
            "softmax weights, vertices drawn to by squared distances of nearest neighbours",
            "scq.quantizers.named:smoothed_knn_l2",
            Parts("direct", "softmax", "soft", ("quantization_error", "knn_l2")),
            settings=("quantization_weight", "regularizer_weight", "neighbours", "init"),
            citation=_KNN,
        ),
        QuantizerInfo(
            "smoothed_knn_ce",
            "softmax weights, vertices drawn to by cross-entropies of nearest neighbours",
            "scq.quantizers.named:smoothed_knn_ce",
            Parts("direct", "softmax", "soft", ("quantization_error", "knn_ce")),
            settings=("quantization_weight", "regularizer_weight", "neighbours", "init"),
            citation=_KNN,
        ),
        QuantizerInfo(
            "smoothed_perplexity",
            "softmax weights with wav2vec 2.0's diversity loss",
            "scq.quantizers.named:smoothed_perplexity",
            Parts("direct", "softmax", "soft", ("quantization_error", "mean_perplexity")),
            settings=("quantization_weight", "regularizer_weight", "init"),
            citation="Baevski et al., wav2vec 2.0, arXiv 2006.11477",
        ),
    )
}


def entries() -> tuple[QuantizerInfo, ...]:
    """Every quantizer that can be made by name."""
    return tuple(_ENTRIES.values())


def get(name: str) -> QuantizerInfo:
    """The entry of that name.

    Raises:
        ValueError: when there is none; the message lists the known names.
    """
    if name not in _ENTRIES:
        raise ValueError(f"quantizer is {name!r}, must be one of: {', '.join(_ENTRIES)}")
    return _ENTRIES[name]


def quantizer(name: str, codebook_size: int, dim: int, **options: Any) -> "Quantizer":
    """Makes a quantizer by name.

    Args:
        name: one of ``[entry.name for entry in scq.quantizers.entries()]``.
        codebook_size: K, the number of codewords.
        dim: F, the number of channels of a latent.
        **options: what the quantizer's constructor takes.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
        TypeError: an unknown option.
    """
    return get(name).make(codebook_size, dim, **options)
