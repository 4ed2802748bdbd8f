"""A folder and a zip archive read in the same way: files by their names, nothing extracted, nothing outside reached."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

MAX_FILES = 10_000_000
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
    with _zip(place) as archive:
        yield _archive(place, archive)


def check_inside(place: Path, name: str) -> None:
    """Refuses a name in an archive that would lead out of the folder it is unpacked to, on any platform.

    Raises:
        ValueError: when ``name`` is absolute or goes up; the whole archive is then not to be trusted.
    """
    windows = PureWindowsPath(name)  # takes both / and \ for separators, and knows drives
    if windows.drive or windows.root or ".." in windows.parts:
        raise ValueError(f"{place} holds {name!r}, a path that leads out of it: the archive is not to be trusted")


def reader(place: Path) -> Callable[[str], bytes]:
    """What reads the files of ``place`` by their names, without a list of them; an archive stays open for it.

    Raises:
        ValueError: as :func:`open_tree`.
    """
    return partial(_read_file, place) if place.is_dir() else _archive(place, _zip(place)).read


def _folder(place: Path) -> Tree:
    names: list[str] = []
    outermost, waiting = place.resolve(), [""]
    while waiting:
        within = waiting.pop()
        # Not Path's: of a million files, each would cost a call of the system to tell whether it is a link.
        with os.scandir(place / within) as entries:
            for entry in entries:
                name = within + entry.name
                if entry.is_symlink() and not (place / name).resolve().is_relative_to(outermost):
                    raise ValueError(
                        f"{place / name} is a link that leads out of {place}; put a copy there in its place"
                    )
                # Linked folders are not walked through: a link can lead in a circle.
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif not entry.is_dir():
                    names.append(name)
        _check_count(place, len(names))
    return Tree(place, tuple(sorted(names)), partial(_read_file, place))


def _read_file(place: Path, name: str) -> bytes:
    path = place / name
    check_size(path, path.stat().st_size)
    return path.read_bytes()


def _zip(place: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(place)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{place} is truncated or not a zip archive ({error})") from error


def _archive(place: Path, archive: zipfile.ZipFile) -> Tree:
    entries = archive.infolist()
    _check_count(place, len(entries))
    for entry in entries:
        check_inside(place, entry.filename)
    # Names as a folder would have them, without "./" and "//".
    files = {str(PurePosixPath(entry.filename)): entry for entry in entries if not entry.is_dir()}

    def read(name: str) -> bytes:
        entry, where = files[name], f"{place}: {name}"
        check_size(where, entry.file_size)
        if entry.flag_bits & 1:
            raise ValueError(f"{where} is encrypted; unpack the archive and name the folder")
        try:
            # No more than the size that was checked is unpacked, and the checksum is compared at its end.
            return archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise ValueError(f"{where} is truncated or damaged ({error})") from error

    return Tree(place, tuple(sorted(files)), read)


def _check_count(place: Path, count: int) -> None:
    if count > MAX_FILES:
        raise ValueError(f"{place} has more than {MAX_FILES} files")


def check_size(where: Path | str, size: int) -> None:
    """
    Raises:
        ValueError: a file that large is not read.
    """
    if size > MAX_BYTES:
        raise ValueError(f"{where} has {size} bytes, at most {MAX_BYTES} are read")
