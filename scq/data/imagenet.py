"""``imagenet``: ImageNet and subsets of it, as their archives are unpacked: ``train/n01440764/*.JPEG`` and ``val/``.

https://www.image-net.org. The folder is the one that holds both, or that of the challenge's archive, in which they are
in ``ILSVRC/Data/CLS-LOC``. Held out is ``val``, with or without subfolders of classes; labels are not used, and neither
is the unlabelled ``test``. Pictures stay on the disk: :mod:`scq.data.lazy`.
"""

import re
from pathlib import Path

from scq.data.image_data import ImageData
from scq.data.left_out import LeftOut, OnBadFile
from scq.data.on_disk import on_disk
from scq.data.pictures import SIZE, check_size, is_picture
from scq.data.root import find_root
from scq.data.tree import open_tree

_INSIDE = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "imagenet")
_CLASS = re.compile(r"n\d{8}")


def read(root: Path | None = None, size: int = SIZE, on_bad_file: OnBadFile = "refuse", workers: int = 0) -> ImageData:
    """All pictures, none of them read yet.

    Args:
        root: as the user gave it.
        size: height and width.
        on_bad_file: what is done about a file that cannot be read; see :class:`scq.data.left_out.LeftOut`.
        workers: processes that read ahead.

    Raises:
        FileNotFoundError: when there is no data; the message says where it was sought and how to get it.
        ValueError: when a split has no pictures, or a link leads out of the folder.
    """
    check_size(size)
    left_out = LeftOut(on_bad_file)
    place = find(root)
    splits = []
    for split, wanted in (("train", _CLASS), ("val", re.compile(""))):
        with open_tree(place / split) as tree:
            splits.append([f"{split}/{name}" for name in tree.names if is_picture(name) and wanted.match(name)])
        if not splits[-1]:
            raise ValueError(f"{place / split} has no pictures of ImageNet, must have those of the split")
    train, test = splits
    return on_disk("imagenet", (place, train), (place, test), "those in val", size, workers, left_out)


def find(root: Path | None = None) -> Path:
    """The folder with ``train``, which has folders of classes, and ``val``."""
    found = find_root(root)
    for inside in _INSIDE:
        place = found.path / inside
        if (place / "val").is_dir() and any(_CLASS.fullmatch(path.name) for path in place.glob("train/n*")):
            return place
    raise FileNotFoundError(
        f"ImageNet is not in {found}: looked for train/n01440764 and others like it, and val, there and in "
        f"{', '.join(filter(None, _INSIDE))}. Unpack its archives there (https://www.image-net.org), or name another "
        "folder with --data-root or SCQ_DATA"
    )
