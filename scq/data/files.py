"""Files that any process can read, their names in little memory."""

import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

MOST_THREADS = 8
"""That read pictures: each holds one of up to ``scq.data.pictures.MAX_PIXELS``."""


class Names(Sequence[str]):
    """Names of files, packed into one array of bytes.

    A million Python strings take ten times the memory, and each process that reads ahead would come to hold all of
    them: counting its references writes to the page of a string, which is then copied. An array has one count.

    Args:
        names: in their order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        encoded = [name.encode(errors="surrogateescape") for name in names]
        self._bytes = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._ends = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(name) for name in encoded], out=self._ends[1:])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, number: int) -> str: ...

    @overload
    def __getitem__(self, number: slice) -> "Names": ...

    def __getitem__(self, number: int | slice) -> "str | Names":
        if isinstance(number, slice):
            start, stop, step = number.indices(len(self))
            if step != 1:
                raise ValueError(f"step of the slice is {step}, must be 1")
            part = object.__new__(Names)
            part._bytes, part._ends = self._bytes, self._ends[start : max(start, stop) + 1]
            return part
        if not -len(self) <= number < len(self):
            raise IndexError(f"number is {number}, must be below {len(self)}")
        number %= len(self)
        return bytes(self._bytes[self._ends[number] : self._ends[number + 1]]).decode(errors="surrogateescape")

    def digest(self) -> bytes:
        """Eight bytes that are others for other names, or for the same in another order."""
        digest = hashlib.sha256(np.ascontiguousarray(np.diff(self._ends)))
        digest.update(self._bytes[self._ends[0] : self._ends[-1]])
        return digest.digest()[:8]


@dataclass(frozen=True)
class Files:
    """Encoded pictures that any process can read.

    Args:
        place: the folder, archive or database that they are in.
        open: from the place to a function that gives the content by the name; a function of a module, so that it goes
            to other processes. Each opens the place itself, once.
        names: of the pictures.
    """

    place: Path
    open: Callable[[Path], Callable[[str], bytes]]
    names: Names

    def read(self, number: int) -> tuple[bytes, str]:
        """The content of a picture, and what messages call it."""
        name = self.names[number]
        return _opened(self.open, self.place, os.getpid())(name), f"{self.place}: {name}"


@functools.lru_cache(maxsize=8)
def _opened(opens: Callable[[Path], Callable[[str], bytes]], place: Path, process: int) -> Callable[[str], bytes]:
    # By process: archives and databases that were opened before a fork share their position with the parent.
    return opens(place)
