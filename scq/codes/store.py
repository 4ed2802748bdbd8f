"""Codes in a file: an .npz that is written and read in parts, so that no more than one part is in memory.

It is what ``numpy.load`` reads:

    names         (N,)         of the files, relative to their folder
    indices       (N, ...)     the hard code of each latent
    about         ()           JSON: model, quantizer, codebook_size, and the SHA-256 of the model's weights

and of soft codes also the weights, of the codewords of weight > 0 alone, latent after latent:

    support_size  (N, ...)     how many they are
    support       (M,)         their numbers
    weights       (M,)         their weights, as the quantizer gave them
"""

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

TYPES = {"indices": "<i4", "support_size": "<i4", "support": "<i4", "weights": "<f4"}
_CHUNK = 1 << 20


class CodeWriter:
    """Writes codes part after part. The file is there when the ``with`` block has ended without an error.

    Args:
        path: of the file, which must not be there.
        about: what goes into it.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._path, self._about = path, about
        self._names: list[str] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._rows: dict[str, int] = {}

    def __enter__(self) -> "CodeWriter":
        # Beside the file, where there is room for it.
        self._folder = tempfile.TemporaryDirectory(prefix=f".{self._path.name}.", dir=self._path.parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._folder:
            if kind is None:
                partial = Path(self._folder.name, self._path.name)
                self._write(partial)
                partial.replace(self._path)

    def add(self, names: Sequence[str], indices: np.ndarray, weights: np.ndarray | None) -> None:
        """
        Args:
            names: of some files.
            indices: (n, ...), their codes.
            weights: (n, ..., K), where they are soft.
        """
        self._names.extend(names)
        self._append("indices", indices)
        if weights is not None:
            there = weights != 0
            self._append("support_size", there.sum(-1))
            self._append("support", np.nonzero(there)[-1])
            self._append("weights", weights[there])

    def _append(self, name: str, rows: np.ndarray) -> None:
        with Path(self._folder.name, name).open("ab") as file:
            file.write(np.ascontiguousarray(rows, dtype=TYPES[name]).tobytes())
        self._shapes[name], self._rows[name] = rows.shape[1:], self._rows.get(name, 0) + len(rows)

    def _write(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            about = np.array(json.dumps(dict(self._about)))
            with archive.open("about.npy", "w") as file:
                _header(file, about.dtype.str, ())
                file.write(about.tobytes())
            width = max(map(len, self._names), default=1)
            with archive.open("names.npy", "w", force_zip64=True) as file:
                _header(file, f"<U{width}", (len(self._names),))
                for name in self._names:
                    file.write(np.array(name, dtype=f"<U{width}").tobytes())
            for name in self._rows:
                with (
                    archive.open(f"{name}.npy", "w", force_zip64=True) as file,
                    Path(self._folder.name, name).open("rb") as content,
                ):
                    _header(file, TYPES[name], (self._rows[name], *self._shapes[name]))
                    while chunk := content.read(_CHUNK):
                        file.write(chunk)


def _header(file: Any, type_: str, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": type_, "fortran_order": False, "shape": shape})
