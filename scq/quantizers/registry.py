"""The registry of quantizers: one frozen entry each, imported when its quantizer is made.

This module imports no torch, so that the command line can list the quantizers in milliseconds.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scq.quantizers.base import Quantizer


@dataclass(frozen=True)
class QuantizerInfo:
    """One quantizer: what it is, where its code lives, and what a training run sets.

    Args:
        name: the name that ``scq.quantizer(name, ...)`` takes.
        title: one line for people.
        factory: ``"module:callable"``, called with ``codebook_size``, ``dim`` and the options.
        settings: the fields of :class:`scq.training.TrainConfig` that are options of this quantizer.
        convex: True when its weights answer the programme of arXiv 2310.03004, Eq. 7, exactly or relaxed.
        citation: whom to cite.
    """

    name: str
    title: str
    factory: str
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
_ENTRIES = {
    entry.name: entry
    for entry in (
        QuantizerInfo(
            "scq",
            "soft convex quantization, solved exactly",
            "scq.quantizers.soft_convex:SoftConvexQuantizer",
            settings=("lam", "backend", "quantization_weight", "init"),
            convex=True,
            citation=_SCQ,
        ),
        QuantizerInfo(
            "scq_relaxed",
            "soft convex quantization by the paper's scalable relaxation (Algorithm 2)",
            "scq.quantizers.soft_convex:relaxed",
            settings=("lam", "relaxation_steps", "quantization_weight", "init"),
            convex=True,
            citation=_SCQ,
        ),
        QuantizerInfo(
            "vq",
            "vector quantization with the straight-through gradient",
            "scq.quantizers.vector:VectorQuantizer",
            settings=("commitment_weight", "init"),
            citation="van den Oord et al., Neural Discrete Representation Learning, arXiv 1711.00937",
        ),
        QuantizerInfo(
            "none",
            "no quantization: the plain autoencoder, an upper bound of the others",
            "scq.quantizers.identity:no_quantizer",
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
