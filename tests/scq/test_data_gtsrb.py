"""GTSRB: the official tree and archives, whole and with pictures missing."""

import os
from pathlib import Path

import numpy as np
import pytest
from archives import gtsrb_files, write_folder, write_zip

from scq import data
from scq.data.pictures import square

TRAINING = "GTSRB/Final_Training/Images"


def check(loaded: data.ImageData) -> None:
    files = gtsrb_files()
    for split, place in ((loaded.train, "Training"), (loaded.test, "Test")):
        names = sorted(name for name in files if f"Final_{place}" in name and name.endswith(".ppm"))
        np.testing.assert_array_equal(split.numpy(), [square(files[name], name) for name in names])


@pytest.mark.parametrize("inside", ["", "GTSRB"])
def test_tree_is_read_from_outside_and_from_inside(inside: str, tmp_path: Path) -> None:
    check(data.load("gtsrb", write_folder(tmp_path, gtsrb_files()) / inside))


def test_two_archives_side_by_side_are_read(tmp_path: Path) -> None:
    files = gtsrb_files()
    for split in ("Training", "Test"):
        part = {name: content for name, content in files.items() if f"Final_{split}" in name}
        write_zip(tmp_path / f"GTSRB_Final_{split}_Images.zip", part)
    check(data.load("gtsrb", tmp_path))


def test_archive_of_the_competition_is_read(tmp_path: Path) -> None:
    check(data.load("gtsrb", write_zip(tmp_path / "GTSRB.zip", gtsrb_files("GTSRB/Training"))))


def test_missing_data_says_where_it_was_sought_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"looked for GTSRB/ and GTSRB\*.zip. Download .* SCQ_DATA"):
        data.load("gtsrb", tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (f"{TRAINING}/00000/00000_00001.ppm", r"1 are missing \['00000_00001.ppm'\]"),
        ("GTSRB/Final_Test/Images/00001.ppm", r"1 are missing \['00001.ppm'\]"),
        (f"{TRAINING}/00007/GT-00007.csv", r"00007/GT-00007.csv is missing"),
        ("GTSRB/Final_Test/Images/GT-final_test.test.csv", r"has no GT-final_test.csv"),
        ("Final_Test", r"no test pictures of GTSRB in"),
        ("Final_Training", r"no training pictures of GTSRB in"),
    ],
)
def test_incomplete_tree_is_refused_with_what_is_missing(gone: str, message: str, tmp_path: Path) -> None:
    write_folder(tmp_path, {name: content for name, content in gtsrb_files().items() if gone not in name})
    with pytest.raises(ValueError, match=message):
        data.load("gtsrb", tmp_path)


def test_picture_that_no_table_lists_is_refused(tmp_path: Path) -> None:
    files = gtsrb_files()
    write_folder(tmp_path, files | {f"{TRAINING}/00000/00009_00000.ppm": b"x"})
    with pytest.raises(ValueError, match=r"1 are there that it does not list \['00009_00000.ppm'\]"):
        data.load("gtsrb", tmp_path)


def test_foreign_table_is_refused_by_name(tmp_path: Path) -> None:
    write_folder(tmp_path, gtsrb_files() | {f"{TRAINING}/00007/GT-00007.csv": b"name,class\n"})
    with pytest.raises(ValueError, match=r"GT-00007.csv has no column Filename"):
        data.load("gtsrb", tmp_path)


def test_two_training_sets_are_not_guessed_among(tmp_path: Path) -> None:
    write_folder(tmp_path, gtsrb_files() | gtsrb_files("GTSRB/Training"))
    with pytest.raises(ValueError, match=r"several training sets of GTSRB .*leave one of them"):
        data.load("gtsrb", tmp_path)


def test_truncated_picture_is_refused_by_name(tmp_path: Path) -> None:
    name = f"{TRAINING}/00007/00003_00029.ppm"
    write_folder(tmp_path, gtsrb_files() | {name: gtsrb_files()[name][:-10]})
    with pytest.raises(ValueError, match=r"00003_00029.ppm is truncated or no picture"):
        data.load("gtsrb", tmp_path)


@pytest.mark.skipif("SCQ_DATA" not in os.environ, reason="SCQ_DATA is not set")
def test_real_gtsrb() -> None:
    try:
        loaded = data.load("gtsrb")
    except FileNotFoundError:
        pytest.skip("SCQ_DATA holds no GTSRB")
    assert len(loaded.train) > 3000 and len(loaded.test) >= 1000
    # Signs fill the middle, and the two splits are of one kind.
    assert loaded.train.float().mean().item() == pytest.approx(loaded.test.float().mean().item(), rel=0.1)
    assert 0.03 < loaded.variance < 0.12
