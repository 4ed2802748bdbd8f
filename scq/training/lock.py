"""One process at a time in a folder of results. The system ends a lock with its process, however that ends."""

import errno
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EIO)
"""What file systems answer that have no locks, or whose server of locks is not there."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Inside, no other process that asks for the folder gets it. The file that is locked is gone afterwards.

    A process that was killed leaves the file, which then hinders nobody. On a file system without locks a warning
    says that nobody is kept out.

    Raises:
        ValueError: another process has it, or it cannot be written to; the message names the folder, and the process.
    """
    path = folder / LOCK
    file = _locked(path, folder)
    try:
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        # Before the lock ends: afterwards the file may be another's. Where an open file cannot be removed it stays.
        if os.name != "nt":
            path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path, folder: Path) -> int:
    """The open file, locked where the file system can."""
    while True:
        try:
            # A folder may come from somebody else: what a link names is not written to.
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            raise ValueError(f"folder is '{folder}', which cannot be written to: {error.strerror}") from error
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                warnings.warn(
                    f"the file system of '{folder}' has no locks ({error.strerror}): see to it that no other process "
                    "works in that folder",
                    stacklevel=4,
                )
                return file
            holder = os.read(file, 200).decode(errors="replace").strip()
            os.close(file)
            raise ValueError(
                f"folder is '{folder}', which another process works in{f' ({holder})' * bool(holder)}; must be left to "
                "it until it has ended"
            ) from error
        if _is_at(path, file):
            return file
        os.close(file)  # who had it has just removed it


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


if os.name == "nt":
    import msvcrt

    def _lock(file: int) -> None:
        # Not what is written in it, which others are to read.
        os.lseek(file, 2**20, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: int) -> None:
        # Of the open file, not of the process, as lockf is: of two that one process wants the second is refused too.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
