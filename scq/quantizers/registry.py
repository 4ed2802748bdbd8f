"""The registry of quantizers. Imports no torch, so that the command line can list them in milliseconds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scq.quantizers.catalog import ENTRIES
from scq.quantizers.entry import Parts, QuantizerInfo
from scq.quantizers.parts import ASSIGNMENTS, CODEBOOKS, GRADIENTS, REGULARIZERS, TERMS, Part
from scq.solvers.entries import Registry
from scq.solvers.suggestions import among

if TYPE_CHECKING:
    from scq.quantizers.base import Quantizer

__all__ = ["Parts", "QuantizerInfo", "entries", "get", "quantizer", "register", "settings", "unregister"]

REGISTRY = Registry("quantizer", QuantizerInfo, "scq.quantizers", ENTRIES, "; or parts as in linear+nearest+rotation")

register = REGISTRY.register
"""Adds a quantizer, of a :class:`QuantizerInfo`, so that ``scq.quantizer(info.name, ...)`` makes it."""

unregister = REGISTRY.unregister
"""Takes a quantizer out again by its name, for tests and notebooks."""


def entries() -> tuple[QuantizerInfo, ...]:
    """Every quantizer that can be made by name: ours, those of installed packages, and those that were registered."""
    return REGISTRY.entries()


def settings() -> frozenset[str]:
    """Every setting of a training run that some quantizer takes, by itself or put together from parts."""
    tables = (CODEBOOKS, ASSIGNMENTS, TERMS, REGULARIZERS)
    of_parts = {name for table in tables for part in table.values() for name in part.settings}
    return frozenset(of_parts.union(*(entry.settings for entry in REGISTRY.entries())))


def get(name: str) -> QuantizerInfo:
    """The entry of that name, or of the quantizer whose parts are named: codebook+assignment, and after them a
    gradient, a regulariser, or both.

    Terms of the loss that every quantizer of its kind has need not be named: the codebook and commitment terms of
    nearest codewords, the quantisation error of soft ones.

    Raises:
        ValueError: when there is none, or a part that is not known; the message lists the known names. Whether parts go
            together is known when the quantizer is made.
    """
    if "+" in name:
        return _of_parts(name)
    return REGISTRY.get(name)


def quantizer(name: str, codebook_size: int, dim: int, **options: Any) -> "Quantizer":
    """Makes a quantizer by name.

    Args:
        name: one of ``[entry.name for entry in scq.quantizers.entries()]``, or the names of parts:
            ``"linear+nearest+rotation"``.
        codebook_size: K, the number of codewords.
        dim: F, the number of channels of a latent.
        **options: of its parts and its layer: ``scq.quantizers.get(name).options``.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
        TypeError: an unknown option, or one of parts that it does not have.
    """
    return get(name).make(codebook_size, dim, **options)


def _of_parts(recipe: str) -> QuantizerInfo:
    codebook, assignment, *rest = [*recipe.split("+")]
    _check("codebook", codebook, CODEBOOKS, recipe)
    _check("assignment", assignment, ASSIGNMENTS, recipe)
    taken, own = ASSIGNMENTS[assignment], CODEBOOKS[codebook]
    gradient = rest.pop(0) if rest and rest[0] in GRADIENTS else taken.gradient
    regularizers = rest[:1]
    for name in regularizers:
        _check("regularizer", name, REGULARIZERS, recipe)
    if rest[1:]:
        raise ValueError(
            f"quantizer is {recipe!r}, must end after {rest[0]!r}, and goes on with {'+'.join(rest[1:])!r}"
        )
    terms = [name for name in taken.terms if name != "codebook" or own.trained]
    named = ", ".join([f"{codebook} codebook, {assignment} assignment, {gradient} gradient", *regularizers])
    return QuantizerInfo(recipe, named, Parts(codebook, assignment, gradient, (*terms, *regularizers)))


def _check(what: str, name: str, known: Mapping[str, Part], recipe: str) -> None:
    if name not in known:
        raise ValueError(f"quantizer is {recipe!r}, whose {what} is {name!r}, {among(name, known)}")
