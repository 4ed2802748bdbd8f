"""The photographs that come with scikit-image and scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from scq import data
from scq.data import photos


@pytest.fixture(scope="module")
def loaded() -> data.ImageData:
    return data.load("photos")


def test_tiles_are_real_colour_pictures_in_useful_numbers(loaded: data.ImageData) -> None:
    assert loaded.train.shape[1:] == loaded.test.shape[1:] == (3, 32, 32)
    assert len(loaded.train) > 2000
    assert len(loaded.test) > 300
    assert "test tiles of coffee and flower, held out whole" in loaded.description
    saturation = loaded.test.float().amax(1) - loaded.test.float().amin(1)
    assert saturation.mean() > 30  # in colour


def test_no_test_photograph_is_in_training(loaded: data.ImageData) -> None:
    assert not set(photos.TRAIN) & set(photos.TEST)
    training = {tile.numpy().tobytes() for tile in loaded.train}
    assert not any(tile.numpy().tobytes() in training for tile in loaded.test)


def test_same_tiles_in_the_same_order_every_time(loaded: data.ImageData) -> None:
    again = data.load("photos")
    assert torch.equal(again.train, loaded.train)
    assert torch.equal(again.test, loaded.test)


def test_flat_tiles_are_dropped_whatever_their_colour(loaded: data.ImageData) -> None:
    for split in (loaded.train, loaded.test):
        deviation = (split.double() / 255).var(dim=(2, 3), unbiased=False).mean(1).sqrt()
        assert deviation.min() >= 0.03 - 1e-6


def test_tiles_lie_where_they_were_cut() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (70, 100, 3), dtype=np.uint8)
    picture[:32, 32:64] = (200, 10, 10)  # flat, though its channels differ
    cut = photos.tiles(picture)
    assert cut.shape == (5, 3, 32, 32)
    np.testing.assert_array_equal(cut[0], picture[:32, :32].transpose(2, 0, 1))
    np.testing.assert_array_equal(cut[1], picture[:32, 64:96].transpose(2, 0, 1))
    np.testing.assert_array_equal(cut[4], picture[32:64, 64:96].transpose(2, 0, 1))


def test_photograph_that_is_gone_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"skimage/data/elvis.png is not there.*pip install"):
        photos.photograph("skimage/data/elvis.png")
    with pytest.raises(FileNotFoundError, match="no installed package 'no_such_package'"):
        photos.photograph("no_such_package/x.png")


def test_file_that_is_no_picture_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"README.txt cannot be read as a picture"):
        photos.photograph("skimage/data/README.txt")


def test_the_packages_themselves_are_not_imported() -> None:
    code = "import sys; from scq.data import photos; photos.read(); print(*({'skimage', 'sklearn'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == []


@pytest.mark.parametrize(("size", "train", "test"), [(64, 600, 100), (128, 150, 20)])
def test_larger_tiles_are_cut_of_the_same_photographs_and_are_not_enlarged(size: int, train: int, test: int) -> None:
    found = data.load("photos", size=size)
    assert found.train.shape[1:] == found.test.shape[1:] == (3, size, size)
    assert len(found.train) > train and len(found.test) > test
    assert f"{size} x {size}" in found.description
    whole = [photos.photograph(name).transpose(2, 0, 1) for name in photos.TEST]
    grid = {
        picture[:, top : top + size, left : left + size].tobytes()
        for picture in whole
        for top in range(0, picture.shape[1], size)
        for left in range(0, picture.shape[2], size)
    }
    assert {tile.numpy().tobytes() for tile in found.test} <= grid


@pytest.mark.usefixtures("as_a_user")
def test_tiles_that_no_photograph_held_out_is_large_enough_for_are_refused() -> None:
    with pytest.raises(ValueError, match="size is 512, must be smaller"):
        data.load("photos", size=512)
    with pytest.raises(ValueError, match="size is 4096, must be from 1 to 1024"):
        data.load("photos", size=4096)
    with pytest.raises(TypeError, match=r"size is 32.0, must be a whole number"):
        data.load("photos", size=32.0)
