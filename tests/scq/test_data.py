"""Data: what a user can rely on, whatever the data set."""

import sys
from pathlib import Path

import pytest
import torch

from scq import data
from scq.data.registry import DatasetInfo
from scq.data.root import cache_folder, find_root

IMAGES = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 4, 4)
"""Ten pictures, each of one value, so that a batch tells which ones it holds."""


def numbers(batch: torch.Tensor) -> list[int]:
    return ((batch[:, 0, 0, 0] + 0.5) * 255).round().int().tolist()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_registered_data_set_has_a_reader_and_a_unique_name() -> None:
    names = [entry.name for entry in data.datasets()]
    assert {"photos", "cifar10"} <= set(names)
    assert len(set(names)) == len(names)
    for entry in data.datasets():
        module, function = entry.reader.split(":")
        __import__(module)
        assert callable(getattr(sys.modules[module], function))


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'cifar'.*photos, cifar10"):
        data.load("cifar")


def test_entry_hands_its_reader_the_root(tmp_path: Path) -> None:
    entry = DatasetInfo("own", "own", "test_data_reader:read", "none")
    module = type(sys)("test_data_reader")
    module.read = lambda root: data.ImageData("own", IMAGES, IMAGES, str(root))  # pyrefly: ignore
    sys.modules["test_data_reader"] = module
    try:
        assert entry.load(tmp_path).description == str(tmp_path)
    finally:
        del sys.modules["test_data_reader"]


def test_a_setting_that_the_reader_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size is 64, must not be given: data set 'cifar10' takes none"):
        data.load("cifar10", tmp_path, size=64)
    with pytest.raises(ValueError, match="sizes is 64, must not be given: data set 'photos' takes size"):
        data.load("photos", sizes=64)


def test_batches_show_every_picture_once_an_epoch_and_are_always_full() -> None:
    stream = data.batches(IMAGES, 4, generator())
    seen = [number for _ in range(5) for number in numbers(next(stream))]
    assert sorted(seen[:10]) == list(range(10))
    assert sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_batches_depend_on_the_generator_alone() -> None:
    first, second = (data.batches(IMAGES, 4, generator(3)) for _ in range(2))
    for _ in range(6):
        torch.rand(7)  # what a model draws elsewhere changes nothing
        assert torch.equal(next(first), next(second))
    assert numbers(next(data.batches(IMAGES, 10, generator(4)))) != numbers(
        next(data.batches(IMAGES, 10, generator(3)))
    )


def test_batch_larger_than_the_data_repeats_pictures() -> None:
    assert sorted(numbers(next(data.batches(IMAGES, 20, generator())))) == sorted([*range(10), *range(10)])


def test_batches_go_on_from_a_state_wherever_in_the_epoch_it_is() -> None:
    stream = data.batches(IMAGES, 4, generator())
    for _ in range(5):
        other = data.batches(IMAGES, 4, generator(9))
        other.load_state_dict(stream.state_dict())
        coming = [numbers(next(other)) for _ in range(6)]
        assert coming[0] == numbers(next(stream))
    assert coming[1:] == [numbers(next(stream)) for _ in range(5)]


def test_batches_are_float32_between_minus_and_plus_one_half() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    batch = next(data.batches(images, 1, generator()))
    assert batch.dtype == torch.float32
    assert batch.flatten().tolist() == [-0.5, 0.5]


def test_to_float_leaves_the_pictures_as_they_are() -> None:
    images = torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)
    torch.testing.assert_close(data.to_float(images), torch.full((1, 3, 2, 2), -0.3))
    assert images.unique().tolist() == [51]


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("images", "size", "source", "error", "message"),
    [
        (IMAGES.float(), 4, generator(), TypeError, "images has dtype torch.float32, must be torch.uint8"),
        (IMAGES[:0], 4, generator(), ValueError, r"images has shape \(0, 3, 4, 4\)"),
        (IMAGES, 0, generator(), ValueError, "batch_size is 0, must be at least 1"),
        (IMAGES, 4.0, generator(), TypeError, "batch_size is a float"),
        (IMAGES, 4, None, TypeError, "generator is None"),
    ],
)
def test_batches_refuse_bad_arguments_at_once(
    images: torch.Tensor, size: int, source: torch.Generator, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        data.batches(images, size, source)  # not at the first batch


@pytest.mark.usefixtures("as_a_user")
def test_to_float_refuses_what_may_be_scaled_already() -> None:
    with pytest.raises(TypeError, match=r"torch.float32, must be torch.uint8"):
        data.to_float(IMAGES.float())


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("train", "test", "error", "message"),
    [
        (IMAGES.float(), IMAGES, TypeError, "train is torch.float32"),
        (IMAGES, IMAGES.numpy(), TypeError, "test is ndarray"),
        (IMAGES[:0], IMAGES, ValueError, "train has shape"),
        (IMAGES, IMAGES[:, :1], ValueError, "test has shape"),
        (IMAGES, IMAGES[:, :, :2], ValueError, "must be of one size"),
    ],
)
def test_image_data_refuses_what_is_no_set_of_pictures(
    train: torch.Tensor, test: torch.Tensor, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        data.ImageData("x", train, test, "")


def test_variance_is_that_of_the_training_pixels() -> None:
    train = torch.randint(256, (5, 3, 8, 8), generator=generator()).to(torch.uint8)
    variance = data.ImageData("x", train, IMAGES.new_zeros(1, 3, 8, 8), "").variance
    assert variance == pytest.approx((train.double() / 255).var(unbiased=False).item(), rel=1e-12)


def test_root_is_the_argument_else_the_environment_else_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = tmp_path / "given", tmp_path / "named"
    given.mkdir()
    named.mkdir()
    monkeypatch.setenv("SCQ_DATA", str(named))
    assert find_root(given).path == given
    assert find_root(None).path == named
    monkeypatch.delenv("SCQ_DATA")
    assert find_root(None).path == cache_folder()


def test_a_named_root_that_does_not_exist_is_refused_with_who_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCQ_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"nowhere \(the environment variable SCQ_DATA\) does not exist"):
        find_root(None)
    with pytest.raises(FileNotFoundError, match=r"elsewhere \(the data root given\) does not exist"):
        find_root(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "there/scq"),
        ("linux", None, "home/.cache/scq"),
        ("darwin", None, "home/Library/Caches/scq"),
        ("win32", "LOCALAPPDATA", "there/scq/Cache"),
    ],
)
def test_cache_folder_follows_the_platform(
    platform: str, variable: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scq.solvers.folders.sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "there"))
    assert cache_folder() == tmp_path / expected


def test_the_page_on_data_has_every_data_set() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for entry in data.datasets():
        assert f"| `{entry.name}` | {entry.title} | {entry.citation} |" in page, "docs/data.md is stale"
