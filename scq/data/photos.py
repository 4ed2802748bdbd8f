"""``photos``: tiles of the real photographs that scikit-image and scikit-learn carry in their packages.

Nothing is downloaded, so that everybody who installed this package trains on the same real pictures. Files are read by
their path: ``sklearn.datasets`` takes two seconds to import, and ``skimage.data`` fetches what it does not find.

Held out for the test: ``coffee`` and ``flower``. Both are ordinary colour photographs, one from each package, with
sharp edges, fine texture (wood, petals) and soft gradients; whole photographs, because tiles of one photograph share
its light and colours. The medical and astronomical ones (retina, ihc, hubble_deep_field) would make a test of their own
kind only, and the other ordinary ones are needed for training.
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from scq.data.image_data import ImageData
from scq.data.pictures import SIZE, check_size

FLATTEST = 0.03
"""Tiles whose standard deviation is below this, at scale [0, 1], are dropped: sky, walls, dark borders."""

TRAIN = (
    "skimage/data/astronaut.png",
    "skimage/data/chelsea.png",
    "skimage/data/rocket.jpg",
    "skimage/data/motorcycle_left.png",
    "skimage/data/retina.jpg",
    "skimage/data/hubble_deep_field.jpg",
    "skimage/data/ihc.png",
    "sklearn/datasets/images/china.jpg",
)
TEST = ("skimage/data/coffee.png", "sklearn/datasets/images/flower.jpg")


def read(root: Path | None = None, size: int = SIZE) -> ImageData:
    """All tiles, in a fixed order. ``root`` is not looked at: the photographs are inside installed packages.

    Raises:
        ValueError: ``size`` is so large that no tile can be cut for one of the splits.
    """
    check_size(size)
    train, test = (
        torch.from_numpy(np.concatenate([tiles(photograph(name), size) for name in names])) for names in (TRAIN, TEST)
    )
    if not len(train) or not len(test):
        raise ValueError(f"size is {size}, must be smaller: no such tile can be cut of the photographs held out")
    names = " and ".join(Path(name).stem for name in TEST)
    description = (
        f"{len(train)} training tiles of {len(TRAIN)} photographs and {len(test)} test tiles of {names}, held out "
        f"whole; {size} x {size}, from scikit-image and scikit-learn; flat tiles dropped"
    )
    return ImageData(name="photos", train=train, test=test, description=description)


def photograph(name: str) -> np.ndarray:
    """One photograph as uint8 ``(height, width, 3)``; ``name`` is its path inside the installed packages.

    Raises:
        FileNotFoundError: when the package is missing or no longer carries it.
        ValueError: when the file is not a picture.
    """
    path = _path(name)
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        package = name.partition("/")[0]
        raise ValueError(f"{path} cannot be read as a picture ({error}); reinstall {package}") from error


def find(root: Path | None = None) -> Path:
    """The folder of the first photograph, once all are found. ``root`` is not looked at."""
    found = [_path(name) for name in (*TRAIN, *TEST)]
    return found[0].parent


def _path(name: str) -> Path:
    package, _, inside = name.partition("/")
    spec = importlib.util.find_spec(package)  # finds the folder without importing the package
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"photograph {name} is not there: looked in {', '.join(folders) or f'no installed package {package!r}'}; "
        "run: pip install scikit-image scikit-learn"
    )


def tiles(picture: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Cuts ``(height, width, 3)`` into ``(N, 3, size, size)`` side by side, row by row, without the flat ones.

    The deviation is from the tile's mean *colour*: an even red wall is flat, although its red differs from its blue.
    """
    rows, columns = picture.shape[0] // size, picture.shape[1] // size
    cut = picture[: rows * size, : columns * size].reshape(rows, size, columns, size, 3)
    cut = np.ascontiguousarray(cut.transpose(0, 2, 4, 1, 3)).reshape(-1, 3, size, size)
    variance = (cut / np.float32(255)).var(axis=(2, 3)).mean(axis=1)
    return cut[variance >= FLATTEST**2]
