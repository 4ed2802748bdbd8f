"""Soft Convex Quantization: quantizer layers, an autoencoder, data, and training that measures what solvers do.

Names are imported when first used, so that the command line answers before torch is loaded.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scq import (
        adapters,
        callbacks,
        data,
        diagnostics,
        models,
        perceptual,
        quantizers,
        solvers,
        training,
        validation,
    )
    from scq.diagnostics import measure_gap
    from scq.extras import MissingExtraError
    from scq.models.autoencoding import AutoencoderOutput
    from scq.models.vqvae import Autoencoder
    from scq.monitor import Monitor
    from scq.quantizers.base import QuantizerOutput
    from scq.quantizers.grouped import Grouped
    from scq.quantizers.identity import NoQuantizer
    from scq.quantizers.registry import quantizer
    from scq.quantizers.residual import Residual
    from scq.quantizers.soft_convex import SoftConvexQuantizer
    from scq.quantizers.vector import VectorQuantizer
    from scq.training.loop import train
    from scq.training.run import Run, load_run

    __version__: str

_MODULES = (
    "adapters",
    "callbacks",
    "data",
    "diagnostics",
    "models",
    "perceptual",
    "quantizers",
    "solvers",
    "training",
    "validation",
)
_LAZY = {
    "Autoencoder": "scq.models.vqvae",
    "AutoencoderOutput": "scq.models.autoencoding",
    "Grouped": "scq.quantizers.grouped",
    "MissingExtraError": "scq.extras",
    "Monitor": "scq.monitor",
    "NoQuantizer": "scq.quantizers.identity",
    "QuantizerOutput": "scq.quantizers.base",
    "Residual": "scq.quantizers.residual",
    "Run": "scq.training",
    "SoftConvexQuantizer": "scq.quantizers.soft_convex",
    "VectorQuantizer": "scq.quantizers.vector",
    "load_run": "scq.training",
    "measure_gap": "scq.diagnostics",
    "quantizer": "scq.quantizers.registry",
    "train": "scq.training",
}

__all__ = [
    "Autoencoder",
    "AutoencoderOutput",
    "Grouped",
    "MissingExtraError",
    "Monitor",
    "NoQuantizer",
    "QuantizerOutput",
    "Residual",
    "Run",
    "SoftConvexQuantizer",
    "VectorQuantizer",
    "adapters",
    "callbacks",
    "data",
    "diagnostics",
    "load_run",
    "measure_gap",
    "models",
    "perceptual",
    "quantizer",
    "quantizers",
    "solvers",
    "train",
    "training",
    "validation",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _MODULES:
        return importlib.import_module(f"scq.{name}")
    from scq.solvers.lazy import offered

    return offered("scq", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _version() -> str:
    """That of the installation; a checkout that is not installed has none."""
    from importlib import metadata

    try:
        return metadata.version("scq")
    except metadata.PackageNotFoundError:
        return "0+unknown"
