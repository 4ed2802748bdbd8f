"""Quantizers inside the models of other libraries: modules with the contract of what they replace there.

The model is made as always, and its quantizer is assigned. Imports nothing of those libraries.
"""

from typing import TYPE_CHECKING, Any

from scq.solvers.lazy import offered

if TYPE_CHECKING:
    from scq.adapters.diffusers_vq import vq_model
    from scq.adapters.transformers_dac import dac
    from scq.adapters.transformers_wav2vec2 import wav2vec2

# Modules of other names: importing one would put it in the place of its function.
_LAZY = {
    "dac": "scq.adapters.transformers_dac",
    "vq_model": "scq.adapters.diffusers_vq",
    "wav2vec2": "scq.adapters.transformers_wav2vec2",
}

__all__ = ["dac", "vq_model", "wav2vec2"]


def __getattr__(name: str) -> Any:
    return offered("scq.adapters", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
