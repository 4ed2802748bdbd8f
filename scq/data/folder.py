"""``folder``: a user's own pictures, of any size, in a folder with any subfolders, or in a zip archive of one.

Each is cropped to a square and resized; see :func:`scq.data.pictures.square`. Held out for the test are the pictures in
subfolders named ``test``, else those in subfolders named ``val``, ``valid`` or ``validation``; without any such, a
tenth of all, chosen by a hash of their names: the same ones every time, whatever the order of the names means.

What fits into MAX_IN_MEMORY is read at once: middle squares, of which equal ones count once, so that none is in
training and test. Beyond that, pictures are read as they are needed, by :mod:`scq.data.lazy`; the split is the same.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from torch import Tensor

from scq.data.image_data import ImageData
from scq.data.left_out import LeftOut, OnBadFile
from scq.data.on_disk import by_hash, on_disk
from scq.data.pictures import FORMATS, SIZE, check_size, is_picture, read_pictures
from scq.data.root import DataRoot, find_root
from scq.data.tree import Tree, open_tree

MAX_IN_MEMORY = 256 * 2**20
"""Bytes of pictures that are cropped and resized: 87,381 of 32 x 32, 5,461 of 128 x 128."""

_SHARE = 10
"""One picture of so many is held out."""

_VALIDATION = {"val", "valid", "validation"}


def read(root: Path | None = None, size: int = SIZE, on_bad_file: OnBadFile = "refuse", workers: int = 0) -> ImageData:
    """All pictures, those of each split in the order of their names' hashes.

    Args:
        root: the folder or the archive, as the user gave it.
        size: height and width.
        on_bad_file: what is done about a file that cannot be read; see :class:`scq.data.left_out.LeftOut`.
        workers: processes that read ahead, of pictures that do not fit.

    Raises:
        FileNotFoundError: when there are no pictures; the message says where they were sought.
        ValueError: when a picture cannot be read, a link leads out of the folder, or too few are left for two splits;
            the message names it.
    """
    check_size(size)
    left_out = LeftOut(on_bad_file)
    found = find_root(root)
    if not found.path.exists():
        raise FileNotFoundError(_nothing(str(found)))
    with open_tree(found.path) as tree:
        names = sorted(filter(is_picture, tree.names), key=by_hash)
        if not names:
            raise FileNotFoundError(_nothing(str(found)))
        train, test, how = _split(names)
        other = f"{len(tree.names) - len(names)} files that are no pictures"
        if unused := len(names) - len(train) - len(test):
            other += f", {unused} in folders for validation"
        if 3 * size**2 * (len(train) + len(test)) <= MAX_IN_MEMORY:
            return _in_memory(tree, train, test, found, size, left_out, how, other)
    if not train:
        raise ValueError(_none_left(found, len(test)))
    return on_disk(
        "folder", (found.path, train), (found.path, test), f"{how}; left out: {other}", size, workers, left_out
    )


def _in_memory(
    tree: Tree,
    train: Sequence[str],
    test: Sequence[str],
    found: DataRoot,
    size: int,
    left_out: LeftOut,
    how: str,
    other: str,
) -> ImageData:
    bad: dict[int, str] = {}
    # Test first: of equal pictures the first one stays.
    pictures = read_pictures(tree, [*test, *train], size, bad if left_out.on_bad_file == "skip" else None)
    left_out.note(bad.values())
    kept = [number for number in range(len(test) + len(train)) if number not in bad]
    first = _first_of_equal(pictures)
    parts = [[place for place in first if (kept[place] < len(test)) == held_out] for held_out in (False, True)]
    if not parts[0]:
        raise ValueError(_none_left(found, len(parts[1])))
    description = (
        f"{len(parts[0])} training and {len(parts[1])} test pictures ({how}) from {found.path.name}, cropped and "
        f"resized to {size} x {size}; left out: {len(pictures) - len(first)} equal to another, {other}"
    )
    if bad:
        description += f", {len(bad)} that cannot be read"
    return ImageData("folder", pictures[parts[0]], pictures[parts[1]], description)


def _split(names: Sequence[str]) -> tuple[list[str], list[str], str]:
    """Training and test, and how they were told apart. What is for validation is in neither where there is a test."""
    by_split: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for name in names:
        folders = PurePosixPath(name).parts[:-1]
        held_out = "test" if "test" in folders else "validation" if _VALIDATION.intersection(folders) else "train"
        by_split[held_out].append(name)
    for split in ("test", "validation"):
        if by_split[split]:
            return by_split["train"], by_split[split], f"those in folders named {'test' if split == 'test' else 'val'}"
    count = max(1, len(names) // _SHARE)
    return list(names[count:]), list(names[:count]), "chosen by a hash of their names"


def _first_of_equal(pictures: Tensor) -> Sequence[int]:
    """The numbers of the pictures that equal none before them."""
    first: dict[bytes, int] = {}
    for number, picture in enumerate(pictures):
        first.setdefault(hashlib.sha256(picture.numpy().tobytes()).digest(), number)
    return list(first.values())


def _none_left(found: DataRoot, held_out: int) -> str:
    return (
        f"{found} has {held_out} different pictures, {held_out} of them held out for the test: none is left for "
        "training"
    )


def _nothing(place: str) -> str:
    return (
        f"no pictures ({', '.join(FORMATS)}) in {place}; name the folder that holds yours with --data-root or SCQ_DATA"
    )
