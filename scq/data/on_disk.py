"""Data sets of pictures that stay on the disk: from the names of files to what training takes."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from scq.data.files import Files, Names
from scq.data.image_data import ImageData
from scq.data.lazy import LazyPictures
from scq.data.left_out import LeftOut
from scq.data.tree import reader


def by_hash(name: str) -> bytes:
    """A key to sort names by, in an order that says nothing, and that is the same everywhere."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


def on_disk(
    name: str,
    train: tuple[Path, Sequence[str]],
    test: tuple[Path, Sequence[str]],
    how: str,
    size: int,
    workers: int,
    left_out: LeftOut,
    opens: Callable[[Path], Callable[[str], bytes]] = reader,
) -> ImageData:
    """A data set of pictures that are read as they are needed, those of each split in the order of their names' hashes.

    Args:
        name: of the data set.
        train, test: the folder, archive or database, and the names in it.
        how: what was held out, and what was left out, for the description.
        size: height and width.
        workers: processes that read ahead.
        left_out: what is done about a file that cannot be read.
        opens: from the folder, archive or database to what reads a name.
    """
    splits = (
        LazyPictures(Files(place, opens, Names(sorted(names, key=by_hash))), size, workers, left_out)
        for place, names in (train, test)
    )
    description = (
        f"{len(train[1])} training and {len(test[1])} test pictures from {train[0].name} ({how}), read as they are "
        f"needed, {size} x {size}: in training squares at random places, half of them mirrored, in testing the middle "
        "ones; equal ones were not looked for"
    )
    return ImageData(name, *splits, description)
