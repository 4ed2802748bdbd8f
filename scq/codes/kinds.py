"""What files hold examples of a kind of data, as a model's entry names it: how they are read and written."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from scq.data.left_out import OnBadFile
from scq.training.config import TrainConfig


class Some(NamedTuple):
    """Some of the files of a folder, as a model takes them.

    Attributes:
        names: of the files that could be read.
        batch: what is in them, an example each.
        done: files that were looked at, so far and of how many.
        bad: of those that could not be read, why.
    """

    names: list[str]
    batch: Tensor
    done: tuple[int, int]
    bad: list[str]


@dataclass(frozen=True)
class FileKind:
    """Files of one kind of data.

    Args:
        kind: of the data, as the entries of models and data sets say it.
        read: ``"module:function"`` of ``(folder, config, size, skip)``, which gives :class:`Some` after another in the
            order of their names; ``size`` is the user's or None, and with ``skip`` bad files are left out.
        write: ``"module:function"`` of ``(path, example)``: an example as the model gives it becomes a file.
        suffix: of the files that are written.
    """

    kind: str
    read: str
    write: str
    suffix: str

    def reader(self) -> Callable[[Path, TrainConfig, int | None, OnBadFile], Iterator[Some]]:
        """The function that reads."""
        return _function(self.read)

    def writer(self) -> Callable[[Path, Tensor], None]:
        """The function that writes."""
        return _function(self.write)


_KINDS: Sequence[FileKind] = (
    FileKind("pictures", "scq.codes.picture_files:read", "scq.codes.picture_files:write", ".png"),
)


def files_of(kind: str) -> FileKind:
    """How files of a kind of data are read and written.

    Raises:
        ValueError: nobody knows.
    """
    for one in _KINDS:
        if one.kind == kind:
            return one
    known = ", ".join(one.kind for one in _KINDS)
    raise ValueError(f"run is of a model of {kind}, must be of one of {known}: other files are not read")


def _function(name: str) -> Callable:
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)
