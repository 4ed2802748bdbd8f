"""Pictures to train on: ``scq.data.load(name)`` gives colour pictures as uint8, 32 x 32 or of another ``size``;
``batches`` feeds them.

A new data set is one file with a reader (``reader(root) -> ImageData``) and one line in :mod:`scq.data.registry`.
Names are imported when first used, so that listing the data sets needs no torch.
"""

from typing import TYPE_CHECKING, Any

from scq.data.registry import DatasetInfo, datasets, load, register, unregister
from scq.solvers.lazy import offered

if TYPE_CHECKING:
    from scq.data.batching import batches, to_float
    from scq.data.dataset import Dataset
    from scq.data.image_data import ImageData

_LAZY = {
    "Dataset": "scq.data.dataset",
    "ImageData": "scq.data.image_data",
    "batches": "scq.data.batching",
    "to_float": "scq.data.batching",
}

__all__ = ["Dataset", "DatasetInfo", "ImageData", "batches", "datasets", "load", "register", "to_float", "unregister"]


def __getattr__(name: str) -> Any:
    return offered("scq.data", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
