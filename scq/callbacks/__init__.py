"""A monitor of the quantizers in a model, for the trainers of Lightning and of Hugging Face."""

from typing import TYPE_CHECKING, Any

from scq.extras import need
from scq.solvers.lazy import offered

if TYPE_CHECKING:
    from scq.callbacks.of_lightning import LightningMonitor
    from scq.callbacks.of_transformers import TrainerMonitor

# Each needs its trainer's library, and neither the other's.
_LAZY = {"LightningMonitor": "scq.callbacks.of_lightning", "TrainerMonitor": "scq.callbacks.of_transformers"}
_EXTRAS = {"LightningMonitor": "lightning", "TrainerMonitor": "prior"}

__all__ = ["LightningMonitor", "TrainerMonitor"]


def __getattr__(name: str) -> Any:
    if name in _EXTRAS:
        need(_EXTRAS[name])
    return offered("scq.callbacks", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
