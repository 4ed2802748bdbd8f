"""``cifar10``: the official *binary version* of CIFAR-10, as the tar.gz of its site or as the folder inside it.

https://www.cs.toronto.edu/~kriz/cifar.html. A record is one label byte (0 to 9) and 3,072 pixel bytes: the red, green
and blue plane, row by row. The number of records comes from the file, so that a part of the set can be used. The
Python version is a pickle, which can run any code when it is read: it is refused.
"""

import gzip
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from scq.data.download import RemoteFile, fetch
from scq.data.image_data import ImageData
from scq.data.root import find_root
from scq.data.tree import check_inside

FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
REMOTE = RemoteFile(URL, size=170_052_171, sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
FILES = (*TRAIN_FILES, TEST_FILE)
RECORD = 1 + 3 * 32 * 32
MAX_BYTES = 100_000 * RECORD
"""Of one file: ten times the official one, so that no archive can unpack to more than there is memory."""
MAX_UNPACKED = 8 * MAX_BYTES
"""Of the whole archive, what is not wanted of it included."""


def read(root: Path | None = None) -> ImageData:
    """All records, in the order of the files.

    Raises:
        FileNotFoundError: when there is no data; the message says where it was sought and how to get it.
        ValueError: when a file is truncated, incomplete or something else; the message names it.
    """
    source = find(root)
    content = _from_folder(source) if source.is_dir() else _from_archive(source)
    missing = [name for name in FILES if name not in content]
    if missing:
        raise ValueError(f"{source} has no {', '.join(missing)}: it is truncated or not the binary version ({URL})")
    pictures = {name: _pictures(f"{source}: {name}", content[name]) for name in FILES}
    train = torch.from_numpy(np.concatenate([pictures[name] for name in TRAIN_FILES]))
    test = torch.from_numpy(pictures[TEST_FILE])
    description = f"CIFAR-10, {len(train)} training and {len(test)} test pictures, from {source.name}"
    return ImageData(name="cifar10", train=train, test=test, description=description)


def download(root: Path | None = None, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Downloads the official archive to where :func:`read` will look for it; see :func:`scq.data.download.fetch`.

    Args:
        root: the folder to put it into; by default as for :func:`read`.
        progress: called with the number of bytes that are there and that there will be.

    Returns:
        The path of the archive.

    Raises:
        NotADirectoryError: when ``root`` is a file.
    """
    folder = find_root(root).path
    if folder.is_file():
        raise NotADirectoryError(f"data root {folder} is a file, must be the folder to put {ARCHIVE} into")
    return fetch(REMOTE, folder, lambda done: progress(done, REMOTE.size))


def find(root: Path | None = None) -> Path:
    """The folder of .bin files or the archive: the root itself or, in it, the official names, else one like them."""
    looked = find_root(root)
    place = looked.path
    if place.is_file():
        return place
    if (place / TEST_FILE).is_file():
        return place
    if (place / FOLDER).is_dir():
        return place / FOLDER
    if (place / ARCHIVE).is_file():
        return place / ARCHIVE
    similar = sorted(place.glob("cifar-10-binary*.tar.gz"))
    if len(similar) > 1:
        names = ", ".join(path.name for path in similar)
        raise ValueError(f"data root {looked} has several archives of CIFAR-10 ({names}); give the path of one")
    if similar:
        return similar[0]
    pickled = [name for name in ("cifar-10-python.tar.gz", "cifar-10-batches-py") if (place / name).exists()]
    note = f" The Python version is there ({pickled[0]}), but pickles are not read." if pickled else ""
    raise FileNotFoundError(
        f"CIFAR-10 is not in {looked}: looked for {FOLDER}/, {ARCHIVE} and cifar-10-binary*.tar.gz.{note} "
        f"Run `scq data cifar10` (162 MB), or put {URL} there yourself, or name another folder with --data-root or "
        "SCQ_DATA"
    )


def _from_folder(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}


def _from_archive(path: Path) -> dict[str, bytes]:
    """The six files by their exact names: nothing is extracted, so no name in the archive can reach outside."""
    wanted = {f"{FOLDER}/{name}": name for name in FILES}
    content = {}
    try:
        with gzip.open(path) as packed:
            stream = _Bounded(packed, path)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    check_inside(path, member.name)
                    if member.isfile() and member.name in wanted:
                        if member.size > MAX_BYTES:
                            raise ValueError(
                                f"{path}: {member.name} has {member.size} bytes, at most {MAX_BYTES} are read"
                            )
                        file = archive.extractfile(member)
                        assert file is not None  # a regular file has content
                        content[wanted[member.name]] = file.read()
            # tarfile stops at the end of its archive, before the checksum: reading on makes gzip compare it.
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} is truncated or not a tar.gz ({error}); it must be the binary version of CIFAR-10: {URL}"
        ) from error
    return content


class _Bounded:
    """Reads on until MAX_UNPACKED: a few megabytes of gzip can stand for terabytes."""

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self._file, self._path, self._left = file, path, MAX_UNPACKED

    def read(self, size: int) -> bytes:
        # The headers of a tar archive may ask for any size.
        block = self._file.read(min(size, self._left + 1))
        self._left -= len(block)
        if self._left < 0:
            raise ValueError(f"{self._path} unpacks to more than {MAX_UNPACKED} bytes")
        return block


def _pictures(where: str, data: bytes) -> np.ndarray:
    """``(N, 3, 32, 32)`` uint8 from the records of one file."""
    if not data or len(data) % RECORD:
        raise ValueError(
            f"{where} has {len(data)} bytes, must be a positive multiple of {RECORD} (one label and 3 x 32 x 32 "
            "pixels a record): it is truncated or not the binary version of CIFAR-10"
        )
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        raise ValueError(
            f"{where} has a label {labels.max()}, must be 0 to 9: it is not the binary version of CIFAR-10"
        )
    return records[:, 1:].reshape(-1, 3, 32, 32).copy()
