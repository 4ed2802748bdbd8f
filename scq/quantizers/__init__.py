"""Quantizer layers, one a file, all with the same output tuple.

Names are imported when first used, so that listing the quantizers needs no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from scq.quantizers.registry import QuantizerInfo, entries, get, quantizer

if TYPE_CHECKING:
    from scq.quantizers.base import CodebookQuantizer, Quantizer, QuantizerOutput
    from scq.quantizers.identity import NoQuantizer
    from scq.quantizers.soft_convex import SoftConvexQuantizer
    from scq.quantizers.usage import Usage, perplexity
    from scq.quantizers.vector import VectorQuantizer

_LAZY = {
    "CodebookQuantizer": "scq.quantizers.base",
    "NoQuantizer": "scq.quantizers.identity",
    "Quantizer": "scq.quantizers.base",
    "QuantizerOutput": "scq.quantizers.base",
    "SoftConvexQuantizer": "scq.quantizers.soft_convex",
    "Usage": "scq.quantizers.usage",
    "VectorQuantizer": "scq.quantizers.vector",
    "perplexity": "scq.quantizers.usage",
}

__all__ = [
    "CodebookQuantizer",
    "NoQuantizer",
    "Quantizer",
    "QuantizerInfo",
    "QuantizerOutput",
    "SoftConvexQuantizer",
    "Usage",
    "VectorQuantizer",
    "entries",
    "get",
    "perplexity",
    "quantizer",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'scq.quantizers' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
