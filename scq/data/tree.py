"""A folder and a zip archive read in the same way: files by their names, nothing extracted, nothing outside reached."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

MAX_FILES = 1_000_000
MAX_BYTES = 64 * 2**20
"""Of one file: a photograph has less, and what an archive unpacks to is bounded by it."""


@dataclass(frozen=True)
class Tree:
    """The files of a folder or a zip archive.

    Args:
        place: the folder or the archive.
        names: of all files, relative to ``place``, with ``/`` between the parts, sorted.
        read: the content of the file of that name; several threads may call it at once. Raises ValueError, naming
            the file, when it is truncated, damaged, encrypted or larger than MAX_BYTES.
    """

    place: Path
    names: tuple[str, ...]
    read: Callable[[str], bytes]


@contextmanager
def open_tree(place: Path) -> Iterator[Tree]:
    """The files of ``place``, readable inside the ``with`` block.

    Raises:
        FileNotFoundError: when ``place`` does not exist.
        ValueError: when it is a file but not a zip archive, or truncated; when a name or a link in it leads out of it;
            when it has more than MAX_FILES files.
    """
    if place.is_dir():
        yield _folder(place)
        return
    try:
        archive = zipfile.ZipFile(place)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{place} is truncated or not a zip archive ({error})") from error
    with archive:
        yield _archive(place, archive)


def check_inside(place: Path, name: str) -> None:
    """Refuses a name in an archive that would lead out of the folder it is unpacked to, on any platform.

    Raises:
        ValueError: when ``name`` is absolute or goes up; the whole archive is then not to be trusted.
    """
    windows = PureWindowsPath(name)  # takes both / and \ for separators, and knows drives
    if windows.drive or windows.root or ".." in windows.parts:
        raise ValueError(f"{place} holds {name!r}, a path that leads out of it: the archive is not to be trusted")


def _folder(place: Path) -> Tree:
    names: list[str] = []
    outermost = place.resolve()
    # Linked folders are listed, but not walked through: a link can lead in a circle.
    for folder, subfolders, files in os.walk(place, onerror=_raise):
        for name in (*subfolders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(outermost):
                raise ValueError(f"{path} is a link that leads out of {place}; put a copy there in its place")
        names.extend(Path(folder, name).relative_to(place).as_posix() for name in files)
        _check_count(place, len(names))

    def read(name: str) -> bytes:
        path = place / name
        _check_size(path, path.stat().st_size)
        return path.read_bytes()

    return Tree(place, tuple(sorted(names)), read)


def _archive(place: Path, archive: zipfile.ZipFile) -> Tree:
    entries = archive.infolist()
    _check_count(place, len(entries))
    for entry in entries:
        check_inside(place, entry.filename)
    # Names as a folder would have them, without "./" and "//".
    files = {str(PurePosixPath(entry.filename)): entry for entry in entries if not entry.is_dir()}

    def read(name: str) -> bytes:
        entry, where = files[name], f"{place}: {name}"
        _check_size(where, entry.file_size)
        if entry.flag_bits & 1:
            raise ValueError(f"{where} is encrypted; unpack the archive and name the folder")
        try:
            # No more than the size that was checked is unpacked, and the checksum is compared at its end.
            return archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise ValueError(f"{where} is truncated or damaged ({error})") from error

    return Tree(place, tuple(sorted(files)), read)


def _raise(error: OSError) -> None:
    # os.walk leaves out folders that it cannot list, unless told otherwise.
    raise error


def _check_count(place: Path, count: int) -> None:
    if count > MAX_FILES:
        raise ValueError(f"{place} has more than {MAX_FILES} files")


def _check_size(where: Path | str, size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"{where} has {size} bytes, at most {MAX_BYTES} are read")
