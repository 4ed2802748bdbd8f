"""``gtsrb``: the German Traffic Sign Recognition Benchmark, as its official zip archives or the tree inside them.

https://benchmark.ini.rub.de/gtsrb_dataset.html. The tree is ``GTSRB/Final_Training/Images/000cc/*.ppm`` (or, in the
archive of the online competition, ``GTSRB/Training/000cc/*.ppm``) and ``GTSRB/Final_Test/Images/*.ppm``; the table of
each class, and that of the test, lists the pictures that there must be. Pictures have 15 to 250 pixels a side; each is
cropped to its middle square and resized. The signs' outlines in the tables are not used. Consecutive training pictures
show one sign (a track), none of which is in the test: the official split is kept.
"""

import csv
import io
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from scq.data.image_data import ImageData
from scq.data.pictures import SIZE, check_size, read_pictures
from scq.data.root import DataRoot, find_root
from scq.data.tree import Tree, open_tree

SITE = "https://benchmark.ini.rub.de/gtsrb_dataset.html"
_FOLDERS = ("Training", "Final_Training", "Final_Test")
_TRAIN = re.compile(r"(?P<folder>(?:.*/)?(?:Training|Final_Training/Images))/(?P<class>\d{5})/\d{5}_\d{5}\.ppm")
_TEST = re.compile(r"(?P<folder>(?:.*/)?Final_Test/Images)/\d{5}\.ppm")
_TEST_TABLE = re.compile(r"(?:.*/)?GT-final_test(?:\.test)?\.csv")
"""The archive of test pictures has one without classes; the one with classes comes apart."""


@dataclass(frozen=True)
class _Part:
    """The pictures of one split in one tree."""

    tree: Tree
    folder: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.tree.place}: {self.folder}"


def read(root: Path | None = None, size: int = SIZE) -> ImageData:
    """All pictures, in the order of their names.

    Raises:
        FileNotFoundError: when there is no data; the message says where it was sought and how to get it.
        ValueError: when an archive or picture is truncated or foreign, a picture is missing, a path leads out of its
            place, or there are several training or test sets; the message names it.
    """
    check_size(size)
    found = find_root(root)
    with ExitStack() as stack:
        trees = [stack.enter_context(open_tree(place)) for place in _places(found)]
        train, test = _part(trees, _TRAIN, "training", found), _part(trees, _TEST, "test", found)
        for label in sorted({name.rsplit("/", 2)[1] for name in train.names}):
            folder = f"{train.folder}/{label}/"
            here = {name for name in train.names if name.startswith(folder)}
            _check_complete(train.tree, f"{folder}GT-{label}.csv", here)
        tables = [(tree, name) for tree in trees for name in tree.names if _TEST_TABLE.fullmatch(name)]
        if not tables:
            raise ValueError(f"{test} has no GT-final_test.csv or GT-final_test.test.csv: it is not complete ({SITE})")
        for tree, table in tables:
            _check_complete(tree, table, set(test.names))
        pictures: list[Tensor] = [read_pictures(part.tree, part.names, size) for part in (train, test)]
    description = (
        f"GTSRB, {len(pictures[0])} training and {len(pictures[1])} test pictures, cropped and resized to {size} x "
        f"{size}, from {train.tree.place.name}"
    )
    return ImageData(name="gtsrb", train=pictures[0], test=pictures[1], description=description)


def find(root: Path | None = None) -> Path:
    """The tree, else the first of the archives."""
    return _places(find_root(root))[0]


def _places(found: DataRoot) -> list[Path]:
    """The tree, else the zip archives."""
    place = found.path
    if place.is_file():
        return [place]
    for folder in (place, place / "GTSRB"):
        if any((folder / name).is_dir() for name in _FOLDERS):
            return [folder]
    archives = sorted(place.glob("GTSRB*.zip"))
    if not archives:
        raise FileNotFoundError(
            f"GTSRB is not in {found}: looked for GTSRB/ and GTSRB*.zip. Download GTSRB_Final_Training_Images.zip "
            f"and GTSRB_Final_Test_Images.zip ({SITE}) into that folder, or name another with --data-root or SCQ_DATA"
        )
    return archives


def _part(trees: list[Tree], pattern: re.Pattern[str], split: str, found: DataRoot) -> _Part:
    """The one folder of that split."""
    names: dict[tuple[int, str], list[str]] = {}
    for number, tree in enumerate(trees):
        for name in tree.names:
            if match := pattern.fullmatch(name):
                names.setdefault((number, match["folder"]), []).append(name)
    parts = [_Part(trees[number], folder, tuple(names[number, folder])) for number, folder in names]
    if not parts:
        places = ", ".join(str(tree.place) for tree in trees)
        raise ValueError(f"no {split} pictures of GTSRB in {places}; data root {found} must hold both splits ({SITE})")
    if len(parts) > 1:
        raise ValueError(f"several {split} sets of GTSRB ({', '.join(map(str, parts))}); leave one of them")
    return parts[0]


def _check_complete(tree: Tree, table: str, names: set[str]) -> None:
    """Compares the pictures that are there with those that the table lists."""
    where = f"{tree.place}: {table}"
    if table not in tree.names:
        raise ValueError(f"{where} is missing: the data set is not complete ({SITE})")
    rows = csv.DictReader(io.StringIO(tree.read(table).decode("latin-1")), delimiter=";")
    if "Filename" not in (rows.fieldnames or ()):
        raise ValueError(f"{where} has no column Filename: it is not the table of GTSRB ({SITE})")
    listed = {row["Filename"] for row in rows}
    here = {name.rsplit("/", 1)[1] for name in names}
    if listed != here:
        absent, foreign = sorted(listed - here), sorted(here - listed)
        raise ValueError(
            f"{where}: of the {len(listed)} pictures that it lists, {len(absent)} are missing {absent[:2]}, and "
            f"{len(foreign)} are there that it does not list {foreign[:2]}: the data set is not complete ({SITE})"
        )
