"""What the registry says of a quantizer: one frozen entry each, imported when its quantizer is made."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
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
        options: of the factory, with which it is always called.
    """

    name: str
    title: str
    factory: str
    parts: Parts | None = None
    settings: tuple[str, ...] = ()
    convex: bool = False
    citation: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self, codebook_size: int, dim: int, **options: Any) -> "Quantizer":
        """The quantizer, with fresh parameters."""
        module, attribute = self.factory.split(":")
        factory = getattr(importlib.import_module(module), attribute)
        return factory(codebook_size, dim, **self.options, **options)
