"""The data sets by name: one frozen entry each; its reader is imported when it is asked for."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scq.extras import need
from scq.solvers.entries import Registry

if TYPE_CHECKING:
    from scq.data.dataset import Dataset


@dataclass(frozen=True)
class DatasetInfo:
    """One data set: what it is and where its reader lives.

    Args:
        name: the name that ``load(name)`` takes.
        title: one line for people.
        reader: ``"module:function"``; the function takes the root as the user gave it (or None), and ``settings`` by
            name, and returns a :class:`Dataset`, of pictures an :class:`ImageData`.
        citation: whom to cite, and the terms of use.
        downloader: ``"module:function"`` or None; the function takes the root and ``progress(done, total)``, in bytes,
            and returns the path of the file that the reader then finds.
        finder: ``"module:function"`` or None where any folder may be one; the function takes the root and returns where
            the reader would begin, without reading, or raises FileNotFoundError.
        packaged: inside installed packages, so that there is no root.
        kind: of its examples; a model's entry says which kind it takes. Empty where that is known later.
        settings: the fields of :class:`scq.training.TrainConfig` that its reader takes, beside the root.
    """

    name: str
    title: str
    reader: str
    citation: str
    downloader: str | None = None
    finder: str | None = None
    packaged: bool = False
    kind: str = "pictures"
    settings: tuple[str, ...] = ()

    def load(self, root: Path | None = None, **settings: Any) -> "Dataset":
        """The data, read now from ``root``.

        Args:
            root: as the user gave it.
            **settings: of those that the reader takes; the others have its defaults.

        Raises:
            TypeError: a setting of another kind.
            ValueError: a root, where the data is inside installed packages, a setting that the reader does not take, or
                one out of range.
            MissingExtraError: the readers' packages are not installed.
        """
        need("train")
        if self.packaged and root is not None:
            raise ValueError(
                f"root is '{root}', must not be given: data set {self.name!r} is inside installed packages"
            )
        for name, value in settings.items():
            if name not in self.settings:
                takes = ", ".join(self.settings) or "none"
                raise ValueError(f"{name} is {value!r}, must not be given: data set {self.name!r} takes {takes}")
        return _function(self.reader)(root, **settings)

    def options(self, config: Any) -> dict[str, Any]:
        """The settings of a run that its reader takes."""
        return {name: getattr(config, name) for name in self.settings}

    def find(self, root: Path | None = None) -> Path | None:
        """Where the data is, without reading it; None where any folder may be it.

        Raises:
            FileNotFoundError: it is not there; the message says where it was sought.
            MissingExtraError: as for ``load``.
        """
        need("train")
        return None if self.finder is None else _function(self.finder)(root)

    def download(self, root: Path | None, progress: Callable[[int, int], None]) -> Path:
        """Fetches the data from its site to where ``load`` finds it.

        Raises:
            ValueError: when there is no downloader, or what came is not what it must be.
            ConnectionError: when the site cannot be reached or stops in the middle.
        """
        if self.downloader is None:
            raise ValueError(f"data set {self.name!r} has no download ({self.title})")
        return _function(self.downloader)(root, progress)


def _function(name: str) -> Callable[..., Any]:
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


_ENTRIES = (
    DatasetInfo(
        name="photos",
        title="Square tiles of the photographs inside scikit-image and scikit-learn; nothing to download",
        reader="scq.data.photos:read",
        finder="scq.data.photos:find",
        citation="van der Walt et al. 2014 (scikit-image); Pedregosa et al. 2011 (scikit-learn)",
        packaged=True,
        settings=("size",),
    ),
    DatasetInfo(
        name="cifar10",
        title="CIFAR-10, the official binary version, as tar.gz or folder",
        reader="scq.data.cifar10:read",
        citation="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; research use",
        downloader="scq.data.cifar10:download",
        finder="scq.data.cifar10:find",
    ),
    DatasetInfo(
        name="gtsrb",
        title="GTSRB, German traffic signs, as the official zip archives or their tree; resized",
        reader="scq.data.gtsrb:read",
        finder="scq.data.gtsrb:find",
        citation="Stallkamp et al. 2012, Man vs. computer; research use",
        settings=("size",),
    ),
    DatasetInfo(
        name="folder",
        title="Your own pictures, any size, in a folder or zip archive; cropped and resized",
        reader="scq.data.folder:read",
        citation="your own",
        settings=("size", "on_bad_file", "workers"),
    ),
    DatasetInfo(
        name="imagenet",
        title="ImageNet or a subset of it, unpacked: train/n01440764/*.JPEG and val; read as needed",
        reader="scq.data.imagenet:read",
        finder="scq.data.imagenet:find",
        citation="Deng et al. 2009; Russakovsky et al. 2015; research use",
        settings=("size", "on_bad_file", "workers"),
    ),
    DatasetInfo(
        name="lsun",
        title="One class of LSUN, as its databases <class>_train_lmdb and <class>_val_lmdb; read as needed",
        reader="scq.data.lsun:read",
        finder="scq.data.lsun:find",
        citation="Yu et al. 2015, arXiv 1506.03365; research use",
        settings=("size", "on_bad_file", "workers"),
    ),
    DatasetInfo(
        name="minigrid",
        title="Frames of Minigrid's gridworlds under random actions, drawn; needs the extra rl",
        reader="scq.data.minigrid:read",
        citation="Chevalier-Boisvert et al. 2023, Minigrid & Miniworld; MIT licence",
        packaged=True,
        settings=("size",),
    ),
    DatasetInfo(
        name="topics",
        title="Text: Python's own reference, technical English, inside every Python; nothing to download",
        reader="scq.data.topics:read",
        citation="Python Software Foundation, pydoc_data; PSF licence",
        packaged=True,
        kind="text",
    ),
    DatasetInfo(
        name="text",
        title="Your own text, a .txt file, a folder of them or a zip archive of one",
        reader="scq.data.text:read",
        citation="your own",
        kind="text",
    ),
    DatasetInfo(
        name="speech",
        title="Recordings in a folder or zip archive, as of FSDD or LibriSpeech; needs the extra speech",
        reader="scq.data.speech:read",
        citation="Jackson et al., FSDD, CC BY-SA 4.0; Panayotov et al. 2015, LibriSpeech, CC BY 4.0; your own",
        kind="speech",
        settings=("rate",),
    ),
)


GIVEN = "given"
"""In place of the name of a data set, of a run whose data was passed to it in Python."""

_GIVEN = DatasetInfo(
    GIVEN, "what was passed to train(config, data=...)", "scq.data.registry:_refuse", "your own", packaged=True, kind=""
)


def _refuse(root: None) -> "Dataset":
    raise ValueError(f"data is {GIVEN!r}, must be passed from Python, as it was to train(config, data=...)")


REGISTRY = Registry("data", DatasetInfo, "scq.datasets", _ENTRIES)


register = REGISTRY.register
"""Adds a data set, of a :class:`DatasetInfo`, so that ``load(info.name)`` finds it."""

unregister = REGISTRY.unregister
"""Takes a data set out again by its name, for tests and notebooks."""


def datasets() -> tuple[DatasetInfo, ...]:
    """Every data set that ``load`` knows: ours, those of installed packages, and those that were registered."""
    return REGISTRY.entries()


def get(name: str) -> DatasetInfo:
    """The entry of that name.

    Raises:
        ValueError: when there is none; the message lists the known names.
    """
    return _GIVEN if name == GIVEN else REGISTRY.get(name)


def load(name: str, root: str | os.PathLike[str] | None = None, **settings: Any) -> "Dataset":
    """Reads a data set.

    Args:
        name: one of ``datasets()``, e.g. ``"photos"`` or ``"cifar10"``.
        root: the folder to look in, or the file itself; default: the environment variable SCQ_DATA, else the cache
            folder (``~/.cache/scq`` on Linux). ``photos`` comes with its packages and has none.
        **settings: what the data set takes beside, as its entry says. ``size``: height and width, 32 by default;
            ``photos`` is cut into tiles of it, the others are resized to it. Of ``folder``, ``imagenet`` and ``lsun``
            also ``on_bad_file``, "refuse" or "skip", and ``workers``, processes that read ahead, 0 by default.

    Returns:
        The examples, on the CPU, split into train and test; pictures are uint8.

    Raises:
        ValueError: when the name is unknown, a root or setting is given that is not looked at, or a file is truncated
            or not what it must be (the message names it).
        FileNotFoundError: when the data is not there; the message says where it was sought and how to get it.
        MissingExtraError: without the extra ``train``, which has the readers' packages.
    """
    return get(name).load(None if root is None else Path(root), **settings)
