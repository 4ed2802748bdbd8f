"""What is trained: models around a quantizer, by name, and the contract that training knows them by.

A new model is one file with a :class:`Model` and one entry in :mod:`scq.models.registry`. Names are imported when first
used, so that listing the models needs no torch.
"""

from typing import TYPE_CHECKING, Any

from scq.models.registry import ModelInfo, entries, get, register, unregister
from scq.solvers.lazy import offered

if TYPE_CHECKING:
    from scq.models.autoencoding import AutoencoderOutput, PictureModel
    from scq.models.base import Model, Objective
    from scq.models.vqgan import VQGAN
    from scq.models.vqvae import Autoencoder

_LAZY = {
    "Autoencoder": "scq.models.vqvae",
    "AutoencoderOutput": "scq.models.autoencoding",
    "Model": "scq.models.base",
    "Objective": "scq.models.base",
    "PictureModel": "scq.models.autoencoding",
    "VQGAN": "scq.models.vqgan",
}

__all__ = [
    "VQGAN",
    "Autoencoder",
    "AutoencoderOutput",
    "Model",
    "ModelInfo",
    "Objective",
    "PictureModel",
    "entries",
    "get",
    "register",
    "unregister",
]


def __getattr__(name: str) -> Any:
    return offered("scq.models", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
