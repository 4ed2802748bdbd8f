"""The registry of quantizers. Imports no torch, so that the command line can list them in milliseconds."""

from typing import TYPE_CHECKING, Any

from scq.quantizers.catalog import ENTRIES
from scq.quantizers.entry import Parts, QuantizerInfo
from scq.quantizers.recipe import read_recipe
from scq.solvers.suggestions import did_you_mean

if TYPE_CHECKING:
    from scq.quantizers.base import Quantizer

__all__ = ["Parts", "QuantizerInfo", "entries", "get", "quantizer"]

_ENTRIES = {entry.name: entry for entry in ENTRIES}


def entries() -> tuple[QuantizerInfo, ...]:
    """Every quantizer that can be made by name."""
    return tuple(_ENTRIES.values())


def get(name: str) -> QuantizerInfo:
    """The entry of that name, or of the quantizer whose parts are named, as :func:`scq.quantizers.recipe.read_recipe`
    has them.

    Raises:
        ValueError: when there is none; the message lists the known names.
    """
    if "+" in name:
        return read_recipe(name)
    if name not in _ENTRIES:
        raise ValueError(
            f"quantizer is {name!r}, must be one of: {', '.join(_ENTRIES)}; or parts as in linear+nearest+rotation"
            f"{did_you_mean(name, _ENTRIES)}"
        )
    return _ENTRIES[name]


def quantizer(name: str, codebook_size: int, dim: int, **options: Any) -> "Quantizer":
    """Makes a quantizer by name.

    Args:
        name: one of ``[entry.name for entry in scq.quantizers.entries()]``, or the names of parts:
            ``"linear+nearest+rotation"``.
        codebook_size: K, the number of codewords.
        dim: F, the number of channels of a latent.
        **options: what the quantizer's constructor takes.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
        TypeError: an unknown option.
    """
    return get(name).make(codebook_size, dim, **options)
