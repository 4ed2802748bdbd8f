"""Quantizer layers with one output tuple: parts, quantizers made of them, and the named methods of the field.

Names are imported when first used, so that listing the quantizers needs no torch.
"""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from scq.quantizers.registry import Parts, QuantizerInfo, entries, get, quantizer, register, settings, unregister
from scq.solvers.lazy import offered

if TYPE_CHECKING:
    from scq.quantizers import assignments, codebooks, gradients, regularizers, scalars
    from scq.quantizers.base import Quantizer, QuantizerOutput
    from scq.quantizers.composed import ComposedQuantizer
    from scq.quantizers.grouped import Grouped
    from scq.quantizers.identity import NoQuantizer
    from scq.quantizers.residual import Residual
    from scq.quantizers.soft_convex import SoftConvexQuantizer
    from scq.quantizers.usage import Usage, perplexity
    from scq.quantizers.vector import VectorQuantizer

_MODULES = ("assignments", "codebooks", "gradients", "regularizers", "scalars")
_LAZY = {
    "ComposedQuantizer": "scq.quantizers.composed",
    "Grouped": "scq.quantizers.grouped",
    "NoQuantizer": "scq.quantizers.identity",
    "Quantizer": "scq.quantizers.base",
    "QuantizerOutput": "scq.quantizers.base",
    "Residual": "scq.quantizers.residual",
    "SoftConvexQuantizer": "scq.quantizers.soft_convex",
    "Usage": "scq.quantizers.usage",
    "VectorQuantizer": "scq.quantizers.vector",
    "perplexity": "scq.quantizers.usage",
}

__all__ = [
    "ComposedQuantizer",
    "Grouped",
    "NoQuantizer",
    "Parts",
    "Quantizer",
    "QuantizerInfo",
    "QuantizerOutput",
    "Residual",
    "SoftConvexQuantizer",
    "Usage",
    "VectorQuantizer",
    "assignments",
    "codebooks",
    "entries",
    "get",
    "gradients",
    "perplexity",
    "quantizer",
    "register",
    "regularizers",
    "scalars",
    "settings",
    "unregister",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"scq.quantizers.{name}")
    if name == "CodebookQuantizer":
        warnings.warn("CodebookQuantizer is ComposedQuantizer since 0.2", DeprecationWarning, stacklevel=2)
        name = "ComposedQuantizer"
    return offered("scq.quantizers", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
