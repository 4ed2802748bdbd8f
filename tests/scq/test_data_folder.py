"""A user's own pictures: which are read, how they are cropped and resized, which are held out."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from archives import picture, write_folder, write_zip
from PIL import Image

from scq import data
from scq.data import pictures
from scq.data.pictures import square


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def twenty() -> dict[str, bytes]:
    return {f"{number}.png": picture(number, kind="PNG") for number in range(20)}


def test_a_tenth_is_held_out_whatever_the_folder_is_called(tmp_path: Path) -> None:
    first = data.load("folder", write_folder(tmp_path / "a", twenty()))
    again = data.load("folder", write_zip(tmp_path / "b.zip", twenty()))
    assert (len(first.train), len(first.test)) == (18, 2)
    assert torch.equal(first.train, again.train) and torch.equal(first.test, again.test)


def test_folders_named_test_are_held_out(tmp_path: Path) -> None:
    files = {"train/a.png": picture(0, kind="PNG"), "more/test/b.png": picture(1, kind="PNG")}
    loaded = data.load("folder", write_folder(tmp_path, files))
    np.testing.assert_array_equal(loaded.test[0], square(files["more/test/b.png"], "b"))
    np.testing.assert_array_equal(loaded.train[0], square(files["train/a.png"], "a"))
    assert "those in folders named test" in loaded.description


def test_equal_pictures_count_once_and_never_in_both_splits(tmp_path: Path) -> None:
    same = picture(1, kind="PNG")
    files = {"test/a.png": same, "b.png": same, "c.png": picture(2, kind="PNG"), "d.png": picture(2, kind="BMP")}
    loaded = data.load("folder", write_folder(tmp_path, files))
    assert (len(loaded.train), len(loaded.test)) == (1, 1)
    assert "left out: 2 equal to another, 0 files" in loaded.description


def test_other_files_are_counted_and_hidden_ones_are_no_pictures(tmp_path: Path) -> None:
    files = {"notes.txt": b"x", ".thumbnails/a.png": b"x", "__MACOSX/a.png": b"x", "._a.png": b"x"}
    loaded = data.load("folder", write_folder(tmp_path, twenty() | files))
    assert len(loaded.train) + len(loaded.test) == 20
    assert "4 files that are no pictures" in loaded.description


def test_no_pictures_says_where_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"no pictures \(.bmp, .* --data-root or SCQ_DATA"):
        data.load("folder", write_folder(tmp_path, {"notes.txt": b"x"}))
    monkeypatch.delenv("SCQ_DATA", raising=False)
    monkeypatch.setattr("scq.data.root.cache_folder", lambda: tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"no pictures .*none \(the default\)"):
        data.load("folder")


@pytest.mark.parametrize("names", [["a.png"], ["test/a.png", "test/b.png"]])
def test_too_few_for_two_splits_are_refused(names: list[str], tmp_path: Path) -> None:
    files = {name: picture(number, kind="PNG") for number, name in enumerate(names)}
    with pytest.raises(ValueError, match=r"none is left for training"):
        data.load("folder", write_folder(tmp_path, files))


def test_the_middle_square_is_cut_out_and_resized() -> None:
    pixels = np.zeros((64, 192, 3), np.uint8)
    pixels[:, 64:128] = (10, 200, 30)
    found = square(encoded(Image.fromarray(pixels)), "x")
    assert found.dtype == np.uint8
    # Lanczos' filter reaches over the edge of the square, which darkens its outermost pixels.
    wanted = np.broadcast_to(np.array([10, 200, 30])[:, None, None], (3, 32, 32))
    np.testing.assert_allclose(found[:, :, 3:-3], wanted[:, :, 3:-3], atol=1)
    np.testing.assert_allclose(found, wanted, atol=12)


def test_a_picture_of_the_right_size_is_kept_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(square(encoded(Image.fromarray(pixels)), "x"), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [16, 64, 100])
def test_pictures_are_resized_to_any_size(size: int, tmp_path: Path) -> None:
    loaded = data.load("folder", write_folder(tmp_path, twenty()), size=size)
    assert loaded.train.shape[1:] == loaded.test.shape[1:] == (3, size, size)
    picture = Image.open(io.BytesIO(twenty()["3.png"]))
    middle = picture.resize((size, size), Image.Resampling.LANCZOS, box=(0, 5, 40, 45))  # of 40 x 50
    np.testing.assert_array_equal(square(twenty()["3.png"], "x", size), np.asarray(middle).transpose(2, 0, 1))


def test_a_photograph_is_turned_as_its_exif_data_say() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: what is above comes to the right
    found = square(encoded(Image.fromarray(pixels), "PNG", exif=exif), "x")
    assert (found[:, :, 16:] == 255).all() and (found[:, :, :16] == 0).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_of_eight_bits_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (40, 40), (255, 255, 255)).convert(mode)
    found = square(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), "x")
    assert found.shape == (3, 32, 32) and found.min() >= 254


def test_a_palette_with_transparency_raises_no_warning() -> None:
    image = Image.new("RGB", (40, 40), (200, 10, 10)).convert("P")
    assert square(encoded(image, transparency=bytes(range(256))), "x")[0].min() > 150


def test_a_large_jpeg_read_at_a_fraction_of_its_size_looks_the_same() -> None:
    rows, columns = np.mgrid[0:1200, 0:1600] / 200
    waves = 127 + 60 * np.sin(rows) + 60 * np.cos(columns)
    image = Image.fromarray(np.stack([waves, waves[::-1], waves[:, ::-1]], axis=2).astype(np.uint8))
    lossless, jpeg = square(encoded(image), "x"), square(encoded(image, "JPEG", quality=95), "x")
    assert np.abs(lossless.astype(int) - jpeg).max() <= 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "PPM", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.0, 0.4, 0.9])
def test_truncated_picture_is_refused_by_name(kind: str, kept: float) -> None:
    whole = picture(0, kind=kind)
    with pytest.raises(ValueError, match="holiday.x is truncated or no picture"):
        square(whole[: int(kept * len(whole))], "holiday.x")


def test_one_unreadable_picture_stops_the_reader_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"bad.png is truncated or no picture"):
        data.load("folder", write_folder(tmp_path, twenty() | {"bad.png": b"no picture"}))


def test_formats_that_start_other_programs_are_not_read() -> None:
    with pytest.raises(ValueError, match="x is truncated or no picture"):
        square(picture(0, kind="EPS"), "x")


def test_sixteen_bits_are_refused_rather_than_clipped() -> None:
    image = Image.fromarray(np.full((40, 40), 40_000, np.uint16))
    with pytest.raises(ValueError, match=r"x has Pillow's mode I;16, must have 8 bits"):
        square(encoded(image), "x")


def test_too_many_pixels_are_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1999)
    with pytest.raises(ValueError, match="x has 2000 pixels, at most 1999"):
        square(picture(0), "x")
    # What Pillow itself refuses: 60,000 x 60,000 announced by a header.
    with pytest.raises(ValueError, match="x has too many pixels"):
        square(b"P6 60000 60000 255\n" + bytes(100), "x")
