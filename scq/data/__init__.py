"""Pictures to train on: ``scq.data.load(name)`` gives 32 x 32 colour pictures as uint8, ``batches`` feeds them.

A new data set is one file with a reader (``reader(root) -> ImageData``) and one line in :mod:`scq.data.registry`.
"""

from scq.data.batches import batches, to_float
from scq.data.image_data import ImageData
from scq.data.registry import DatasetInfo, datasets, load

__all__ = ["DatasetInfo", "ImageData", "batches", "datasets", "load", "to_float"]
