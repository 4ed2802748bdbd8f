"""``lsun``: one class of LSUN, as its databases: ``church_outdoor_train_lmdb`` and ``church_outdoor_val_lmdb``.

https://www.yf.io/p/lsun. Each is a folder with LMDB's ``data.mdb``: encoded pictures by keys, which are not looked at.
Pictures stay on the disk: :mod:`scq.data.lazy`.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scq.data.image_data import ImageData
from scq.data.left_out import LeftOut, OnBadFile
from scq.data.on_disk import on_disk
from scq.data.pictures import SIZE, check_size
from scq.data.root import find_root
from scq.data.tree import check_size as check_bytes
from scq.extras import need

SITE = "https://www.yf.io/p/lsun"
_TRAIN, _TEST = "_train_lmdb", "_val_lmdb"


def read(root: Path | None = None, size: int = SIZE, on_bad_file: OnBadFile = "refuse", workers: int = 0) -> ImageData:
    """All pictures of a class, none of them read yet.

    Args:
        root: as the user gave it: the folder of the databases, or one of the databases itself, which says the class.
        size: height and width.
        on_bad_file: what is done about a picture that cannot be read; see :class:`scq.data.left_out.LeftOut`.
        workers: processes that read ahead.

    Raises:
        MissingExtraError: without the extra ``lsun``.
        FileNotFoundError: when there is no data; the message says where it was sought and how to get it.
        ValueError: when there are several classes, or a database is truncated, empty or none.
    """
    need("lsun")
    check_size(size)
    left_out = LeftOut(on_bad_file)
    train = find(root)
    name = train.name.removesuffix(_TRAIN)
    test = train.with_name(f"{name}{_TEST}")
    if not test.is_dir():
        raise FileNotFoundError(f"{test} is not there, must be beside {train.name}: the pictures for testing ({SITE})")
    how = f"those in {test.name}"
    return on_disk("lsun", (train, _keys(train)), (test, _keys(test)), how, size, workers, left_out, _open)


def find(root: Path | None = None) -> Path:
    """The database for training.

    Raises:
        ValueError: there are several.
    """
    found = find_root(root)
    for suffix in (_TRAIN, _TEST):
        if found.path.name.endswith(suffix) and (found.path / "data.mdb").is_file():
            return found.path.with_name(found.path.name.removesuffix(suffix) + _TRAIN)
    there = sorted(path for path in found.path.glob(f"*{_TRAIN}") if path.is_dir())
    if len(there) > 1:
        raise ValueError(
            f"{found} has several classes of LSUN ({', '.join(p.name for p in there)}); give the path of one"
        )
    if not there:
        raise FileNotFoundError(
            f"LSUN is not in {found}: looked for *{_TRAIN}. Get the archives of a class for train and val ({SITE}) and "
            "unpack them there, or name another folder with --data-root or SCQ_DATA"
        )
    return there[0]


@functools.cache
def _environment(place: Path) -> Any:
    """LMDB's, for reading alone, without locks.

    A process may open a database once; one that was forked reads by what its parent opened, which has no position that
    they could share.

    Args:
        place: resolved.

    Raises:
        ValueError: it is none, or truncated: reading beyond the end of the file would kill the process.
    """
    import lmdb

    try:
        environment = lmdb.open(str(place), readonly=True, lock=False, readahead=False, meminit=False, create=False)
    except lmdb.Error as error:
        raise ValueError(f"{place} is truncated or no database of LMDB ({error})") from error
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = (place / "data.mdb").stat().st_size
    if size < needed:
        environment.close()
        raise ValueError(f"{place} is truncated: data.mdb has {size} bytes, must have {needed}")
    return environment


def _keys(place: Path) -> list[str]:
    with _environment(place.resolve()).begin() as transaction:
        keys = [key.decode(errors="surrogateescape") for key in transaction.cursor().iternext(values=False)]
    if not keys:
        raise ValueError(f"{place} is empty, must hold the pictures of its split")
    return keys


def _open(place: Path) -> Callable[[str], bytes]:
    environment = _environment(place.resolve())

    def read(name: str) -> bytes:
        with environment.begin(buffers=True) as transaction:
            content = transaction.get(name.encode(errors="surrogateescape"))
            if content is None:
                raise ValueError(f"{place}: {name} is not there any more")
            check_bytes(f"{place}: {name}", len(content))
            return bytes(content)

    return read
