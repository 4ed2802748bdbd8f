"""From encoded pictures of any size to the uint8 arrays of one size that the models see.

Threads, not processes: on two cores that others used too, 24 photographs of 12 megapixels took 0.65 s one after the
other, 0.58 s with two threads and 5.8 s with two new processes, which import torch first; 4,000 pictures of 120 x 120
took 2.5, 2.4 and 7.3 s. What counts is to unpack a JPEG at a fraction of its size: in full, the photographs took 7.5 s.
"""

import io
import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import PurePosixPath

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from scq.data.files import MOST_THREADS
from scq.data.tree import Tree

SIZE = 32
"""Height and width of pictures where no other size is asked for."""

MAX_SIZE = 1024

FORMATS = {
    ".bmp": "BMP",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""Pillow's format by the suffix of a file. Pillow knows others, some of which start other programs."""

MAX_PIXELS = 80_000_000
"""Of one picture, before it is resized; below the number at which Pillow itself begins to warn."""

_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Pillow's modes whose conversion to RGB keeps the picture; those with more bits would be clipped to white."""

_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def check_size(size: int) -> None:
    """
    Raises:
        TypeError: ``size`` is no whole number.
        ValueError: it is out of range.
    """
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size is {size!r}, must be a whole number")
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"size is {size}, must be from 1 to {MAX_SIZE}")


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is a picture; hidden files are none, whatever their suffix."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in FORMATS and not hidden


def read_pictures(
    tree: Tree, names: Sequence[str], size: int = SIZE, bad: dict[int, str] | None = None
) -> UInt8[Tensor, "n 3 {size} {size}"]:
    """The pictures of those names, at least one, in their order, each cropped and resized as :func:`square` says.

    Args:
        tree: that they are in.
        names: of files in it.
        size: height and width.
        bad: takes, by the number of the name, why pictures could not be read, which are then left out.

    Raises:
        ValueError: when a file is no picture that can be read, and ``bad`` is not given; the message names it.
    """

    def read(number: int) -> np.ndarray | None:
        try:
            return square(tree.read(names[number]), f"{tree.place}: {names[number]}", size)
        except (ValueError, OSError) as error:
            if bad is None:
                raise
            bad[number] = str(error)
            return None

    pool = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))
    try:
        found = [picture for picture in pool.map(read, range(len(names))) if picture is not None]
    finally:
        # After a picture that cannot be read, those that wait are of no use.
        pool.shutdown(cancel_futures=True)
    return torch.from_numpy(np.stack(found) if found else np.empty((0, 3, size, size), dtype=np.uint8))


def square(
    content: bytes, where: str, size: int = SIZE, at: tuple[float, float] = (0.5, 0.5)
) -> UInt8[np.ndarray, "3 {size} {size}"]:
    """One picture: turned upright as its EXIF data say, its largest square at that place cut out, resized with Lanczos'
    filter.

    Args:
        content: an encoded picture; grey becomes RGB, transparency is dropped.
        where: what the error message calls it.
        size: its height and width then.
        at: where the square lies, across and down, from 0 to 1; by default in the middle.

    Raises:
        ValueError: when it is truncated, of no format in FORMATS, of more than 8 bits a channel, or of more than
            MAX_PIXELS.
    """
    with _refused_by_name(where):
        image = Image.open(io.BytesIO(content), formats=sorted(set(FORMATS.values())))
    _check(image, where)
    with _refused_by_name(where):
        # JPEG can be unpacked at a fraction of its size, here never below four times ours.
        image.draft(None, (4 * size, 4 * size))
        # By way of RGBA, because Pillow warns of palettes with transparency otherwise.
        upright = ImageOps.exif_transpose(image).convert("RGBA").convert("RGB")
    return np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS, centering=at)).transpose(2, 0, 1)


@contextmanager
def _refused_by_name(where: str) -> Iterator[None]:
    """Whatever Pillow raises of a broken picture, as a ValueError that says which one it is."""
    try:
        yield
    except _BOMBS as error:
        raise ValueError(f"{where} has too many pixels ({error}); at most {MAX_PIXELS} are read") from error
    except UnidentifiedImageError as error:  # whose message has an address in memory
        raise ValueError(f"{where} is truncated or no picture of a format that is read") from error
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error) as error:
        raise ValueError(f"{where} is truncated or no picture ({error})") from error


def _check(image: Image.Image, where: str) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise ValueError(f"{where} has {pixels} pixels, at most {MAX_PIXELS} are read")
    if image.mode not in _EIGHT_BITS:
        raise ValueError(f"{where} has Pillow's mode {image.mode}, must have 8 bits a channel; convert it first")
