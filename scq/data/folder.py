"""``folder``: a user's own pictures, of any size, in a folder with any subfolders, or in a zip archive of one.

Each is cropped to its middle square and resized; see :func:`scq.data.pictures.square`. Held out for the test are the
pictures in subfolders named ``test``; without any such, a tenth of all, chosen by a hash of their names: the same ones
every time, whatever the order of the names means. Equal pictures count once, so that none is in training and test.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from torch import Tensor

from scq.data.image_data import ImageData
from scq.data.pictures import FORMATS, SIZE, check_size, is_picture, read_pictures
from scq.data.root import find_root
from scq.data.tree import open_tree

_SHARE = 10
"""One picture of so many is held out."""


def read(root: Path | None = None, size: int = SIZE) -> ImageData:
    """All pictures, those of each split in the order of their names' hashes.

    Raises:
        FileNotFoundError: when there are no pictures; the message says where they were sought.
        ValueError: when a picture cannot be read, a link leads out of the folder, or too few are left for two splits;
            the message names it.
    """
    check_size(size)
    found = find_root(root)
    if not found.path.exists():
        raise FileNotFoundError(_nothing(str(found)))
    with open_tree(found.path) as tree:
        names = sorted(filter(is_picture, tree.names), key=_hash)
        if not names:
            raise FileNotFoundError(_nothing(str(found)))
        held_out = [name for name in names if "test" in PurePosixPath(name).parts[:-1]]
        chosen = set(held_out) or set(names[: max(1, len(names) // _SHARE)])
        # Test first: of equal pictures the first one stays.
        names.sort(key=lambda name: name not in chosen)
        pictures = read_pictures(tree, names, size)
        other = len(tree.names) - len(names)
    first = _first_of_equal(pictures)
    test = [number for number in first if names[number] in chosen]
    train = [number for number in first if names[number] not in chosen]
    if not train:
        raise ValueError(
            f"{found} has {len(test)} different pictures, {len(test)} of them held out for the test: none is left for "
            "training"
        )
    how = "those in folders named test" if held_out else "chosen by a hash of their names"
    description = (
        f"{len(train)} training and {len(test)} test pictures ({how}) from {found.path.name}, cropped and resized to "
        f"{size} x {size}; left out: {len(names) - len(first)} equal to another, {other} files that are no pictures"
    )
    return ImageData(name="folder", train=pictures[train], test=pictures[test], description=description)


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


def _first_of_equal(pictures: Tensor) -> Sequence[int]:
    """The numbers of the pictures that equal none before them."""
    first: dict[bytes, int] = {}
    for number, picture in enumerate(pictures):
        first.setdefault(hashlib.sha256(picture.numpy().tobytes()).digest(), number)
    return list(first.values())


def _nothing(place: str) -> str:
    return (
        f"no pictures ({', '.join(FORMATS)}) in {place}; name the folder that holds yours with --data-root or SCQ_DATA"
    )
