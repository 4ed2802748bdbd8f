"""Codes from a file of :mod:`scq.codes.store`, which may be anybody's."""

import json
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scq.codes.store import TYPES

_MAX_ROW = 1 << 24
"""Bytes for one file: nobody's codes can ask for more memory than that times the batch."""

_MAX_ABOUT = 1 << 16


@contextmanager
def open_codes(path: Path) -> "Iterator[CodeReader]":
    """The codes in a file, readable inside the ``with`` block.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is truncated, or something else.
    """
    with _refused_by_name(path):
        archive = zipfile.ZipFile(path)
    with archive, ExitStack() as stack:
        yield CodeReader(path, archive, stack)


class CodeReader:
    """Reads codes part after part.

    Args:
        path: of the file.
        archive: that it is.
        stack: closes what is opened in it.

    Attributes:
        about: what is in it.
        number: N.
        soft: whether it has weights.

    Raises:
        ValueError: it is something else.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, stack: ExitStack) -> None:
        self._path, self._archive, self._stack = path, archive, stack
        with _refused_by_name(path):
            if self._archive.getinfo("about.npy").file_size > _MAX_ABOUT:
                raise ValueError(f"about has more than {_MAX_ABOUT} bytes")
            with self._archive.open("about.npy") as file:
                about = np.lib.format.read_array(file)  # no pickles, by its default
            self.about: dict[str, Any] = json.loads(str(about))
            indices = self._rows("indices")
            self.number, self._shape = indices.number, indices.shape
            self.soft = "weights.npy" in self._archive.namelist()

    def together(self, latents: int) -> int:
        """How many files have so many latents, at least one."""
        return max(1, latents // max(1, math.prod(self._shape)))

    def parts(
        self, number: int, codebook_size: int, hard: bool
    ) -> Iterator[tuple[list[str], np.ndarray, np.ndarray | None]]:
        """``number`` files at a time: names, indices, and of soft codes weights (n, ..., K) unless ``hard``.

        Raises:
            ValueError: what is in the file does not go together, or not with the codebook.
        """
        soft = ("support_size", "support", "weights") if self.soft and not hard else ()
        with _refused_by_name(self._path):
            names, indices, *weights = (self._rows(name) for name in ("names", "indices", *soft))
        for start in range(0, self.number, number):
            count = min(number, self.number - start)
            with _refused_by_name(self._path):
                some, codes = [str(name) for name in names.take(count)], indices.take(count, codebook_size)
                dense = _dense(count, codebook_size, *weights) if weights else None
            yield some, codes.astype(np.int64), dense

    def _rows(self, name: str) -> "_Rows":
        return _Rows(name, self._stack.enter_context(self._archive.open(f"{name}.npy")))


class _Rows:
    """An array of the archive, a part after another."""

    def __init__(self, name: str, file: Any) -> None:
        self._name, self._file = name, file
        if np.lib.format.read_magic(self._file) != (1, 0):
            raise ValueError(f"{name} is of another version of NumPy's format")
        shape, fortran, self._type = np.lib.format.read_array_header_1_0(self._file)
        expected = TYPES.get(name)
        if fortran or not shape or (self._type.kind != "U" if expected is None else self._type != np.dtype(expected)):
            raise ValueError(f"{name} is {shape} {self._type}, must be one or more of {expected or 'text'}")
        self.number, self.shape = shape[0], shape[1:]
        if math.prod(self.shape) * self._type.itemsize > _MAX_ROW:
            raise ValueError(f"{name} has {self.shape} {self._type} each, at most {_MAX_ROW} bytes are read")

    def take(self, count: int, below: int | None = None) -> np.ndarray:
        """The next ones, which must be from 0 to ``below`` - 1."""
        needed = count * math.prod(self.shape) * self._type.itemsize
        content = self._file.read(needed)
        if len(content) < needed:
            raise ValueError(f"{self._name} ends too early")
        rows = np.frombuffer(content, dtype=self._type).reshape(count, *self.shape)
        if below is not None and rows.size and not 0 <= rows.min() <= rows.max() < below:
            raise ValueError(f"{self._name} has {rows.min()} to {rows.max()}, must be from 0 to {below - 1}")
        return rows


def _dense(count: int, codebook_size: int, sizes: _Rows, support: _Rows, weights: _Rows) -> np.ndarray:
    """The next ``count`` weights, of all codewords."""
    each = sizes.take(count, codebook_size + 1)
    numbers, values = support.take(int(each.sum()), codebook_size), weights.take(int(each.sum()))
    dense = np.zeros((each.size, codebook_size), dtype=np.float32)
    dense[np.repeat(np.arange(each.size), each.reshape(-1)), numbers] = values
    return dense.reshape(*each.shape, codebook_size)


@contextmanager
def _refused_by_name(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, NotImplementedError) as error:
        raise ValueError(f"codes is '{path}', which is truncated or not what scq encode wrote: {error}") from error
