"""The data sets by name: one frozen entry each; its reader is imported when it is asked for."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scq.data.image_data import ImageData


@dataclass(frozen=True)
class DatasetInfo:
    """One data set: what it is and where its reader lives.

    Args:
        name: the name that ``load(name)`` takes.
        title: one line for people.
        reader: ``"module:function"``; the function takes the root as the user gave it (or None) and returns an
            :class:`ImageData`.
        citation: whom to cite, and the terms of use.
    """

    name: str
    title: str
    reader: str
    citation: str

    def load(self, root: Path | None = None) -> ImageData:
        """The data, read now from ``root``."""
        module, function = self.reader.split(":")
        read: Callable[[Path | None], ImageData] = getattr(importlib.import_module(module), function)
        return read(root)


_ENTRIES = (
    DatasetInfo(
        name="photos",
        title="32 x 32 tiles of the photographs inside scikit-image and scikit-learn; nothing to download",
        reader="scq.data.photos:read",
        citation="van der Walt et al. 2014 (scikit-image); Pedregosa et al. 2011 (scikit-learn)",
    ),
    DatasetInfo(
        name="cifar10",
        title="CIFAR-10, the official binary version, as tar.gz or folder",
        reader="scq.data.cifar10:read",
        citation="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; research use",
    ),
)


def datasets() -> tuple[DatasetInfo, ...]:
    """Every data set that ``load`` knows."""
    return _ENTRIES


def load(name: str, root: str | os.PathLike[str] | None = None) -> ImageData:
    """Reads a data set.

    Args:
        name: one of ``datasets()``, e.g. ``"photos"`` or ``"cifar10"``.
        root: the folder to look in, or the file itself; default: the environment variable SCQ_DATA, else the cache
            folder (``~/.cache/scq`` on Linux). ``photos`` comes with its packages and needs none.

    Returns:
        The pictures, uint8 on the CPU, split into train and test.

    Raises:
        ValueError: when the name is unknown, or a file is truncated or not what it must be (the message names it).
        FileNotFoundError: when the data is not there; the message says where it was sought and how to get it.
    """
    for entry in _ENTRIES:
        if entry.name == name:
            return entry.load(None if root is None else Path(root))
    raise ValueError(f"data is {name!r}, must be one of: {', '.join(entry.name for entry in _ENTRIES)}")
