"""Compiled kernels on disk: one file for each kernel, types of its arguments and processor, in the user's cache folder.

Numba's own cache is not used. It writes beside the code, where uninstalling leaves it; it does not notice that a helper
in another file was edited; two processes that fill it at once may exchange their files; and what is damaged raises.
Here a file's name says what it is a function of, its content begins with a checksum, and it appears whole or not at
all. No file is needed: where none can be read or written, kernels are compiled in every process, and that is said once.
"""

import functools
import hashlib
import logging
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from scq.solvers.folders import cache_folder

_LOG = logging.getLogger("scq")

_DIGEST = hashlib.sha256().digest_size


def kernel(**options: Any) -> Callable[[Callable], Any]:
    """As ``numba.njit(**options)``, with the compiled code kept on disk."""

    def decorate(function: Callable) -> Any:
        dispatcher = numba.njit(**options)(function)
        # What njit(cache=True) does with Numba's own.
        dispatcher._cache = KernelCache(function)
        return dispatcher

    return decorate


@functools.cache
def folder() -> Path:
    """NUMBA_CACHE_DIR, or the user's cache folder; in it one for these sources, by these versions.

    Raises:
        RuntimeError: the user has no home folder.
    """
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} {numba.__version__} {llvmlite.__version__}".encode())
    for source in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if source.name.endswith(".py"):
            digest.update(source.read_bytes())
    named = numba.config.CACHE_DIR
    return (Path(named) if named else cache_folder()) / f"kernels-{digest.hexdigest()[:16]}"


class KernelCache(_Cache):
    """What Numba asks, before it compiles a function and after it has."""

    def __init__(self, function: Callable) -> None:
        self._name = function.__name__
        self._enabled = True

    @property
    def cache_path(self) -> str:
        return str(folder())

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        for file in folder().glob(f"{self._name}-*"):
            file.unlink(missing_ok=True)

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        target_context.refresh()
        if not self._enabled:
            return None
        try:
            file = self._file(sig, target_context.codegen())
            content = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError) as error:
            _say_without(error)
            return None
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(payload).digest() != digest:
            _LOG.warning("The compiled kernel %s is damaged; it is compiled anew.", file)
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(payload))

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        if not self._enabled:
            return
        payload = dumps(data._reduce())
        try:
            _write(self._file(sig, data.codegen), hashlib.sha256(payload).digest() + payload)
        except (OSError, RuntimeError) as error:
            _say_without(error)

    def _file(self, sig: Any, codegen: Any) -> Path:
        # The processor and what it can do are in the magic tuple.
        key = hashlib.sha256(repr((sig, codegen.magic_tuple())).encode()).hexdigest()
        return folder() / f"{self._name}-{key[:32]}"


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, whoever else writes the same."""
    # Only for its owner: what is read from there is run.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


_said: list[str] = []


def _say_without(error: Exception) -> None:
    """Once a process, whichever kernel meets it first."""
    if not _said:
        _said.append(str(error))
        _LOG.warning(
            "Compiled kernels cannot be kept on disk (%s: %s): every process compiles them, which takes some 13 "
            "seconds. The environment variable NUMBA_CACHE_DIR may name a folder that can be written to.",
            type(error).__name__,
            error,
        )
