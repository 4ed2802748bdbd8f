"""Pictures that stay on the disk: the same split, squares at random places, exact going on, bad files by name."""

import io
import itertools
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from archives import picture, write_folder, write_zip
from PIL import Image
from same_runs import assert_same
from small_runs import SMALL

from scq import data
from scq.data import folder
from scq.data.files import Names
from scq.data.lazy import LazyPictures
from scq.data.left_out import LeftOut
from scq.data.pictures import square
from scq.training import evaluate, resume, train
from scq.training.model import build_model

COUNT = 25


def files() -> dict[str, bytes]:
    """Wide ones and high ones."""
    shapes = [(40, 30), (30, 50), (32, 32)]
    return {f"{n % 4}/{n}.png": picture(n, *shapes[n % 3], kind="PNG") for n in range(COUNT)}


@pytest.fixture
def on_disk(monkeypatch):
    """No folder fits into memory."""
    monkeypatch.setattr(folder, "MAX_IN_MEMORY", 0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pictures", files())


def stream(place: Path, seed: int = 0, batch_size: int = 4, **settings: object):
    loaded = data.load("folder", place, **settings)
    return loaded.batches(batch_size, torch.Generator().manual_seed(seed))


def test_names_are_kept_whatever_they_are() -> None:
    some = ["a.png", "", "über/日本.jpg", "bad\udcff.png"]
    names = Names(some)
    assert list(names) == some and names[-1] == some[-1]
    assert list(names[1:3]) == some[1:3] and list(names[2:][1:]) == some[3:]
    with pytest.raises(IndexError, match="number is 4, must be below 4"):
        names[4]
    assert names.digest() == Names(some).digest() == Names(["x", *some, "y"])[1:5].digest()
    assert len({Names(one).digest() for one in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["ab"])}) == 4


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_the_split_and_the_test_pictures_are_those_of_what_fits_into_memory(write, tmp_path, monkeypatch) -> None:
    place = write(tmp_path / "place", files())
    near = data.load("folder", place, size=16)
    monkeypatch.setattr(folder, "MAX_IN_MEMORY", 3 * 16 * 16 * COUNT - 1)
    far = data.load("folder", place, size=16, workers=0)
    assert isinstance(near.train, torch.Tensor) and isinstance(far.train, LazyPictures)
    assert (far.train.shape, far.test.shape) == (near.train.shape, near.test.shape)
    assert torch.equal(far.train[:], near.train) and torch.equal(far.test[:], near.test)
    assert torch.equal(torch.cat(list(far.train.split(4))), near.train)
    assert torch.equal(far.train.narrow(0, 3, 5)[torch.tensor([4, 0])], near.train[[7, 3]])
    assert "read as they are needed, 16 x 16" in far.description and "place" in far.description


@pytest.mark.usefixtures("on_disk")
def test_workers_read_the_same_as_none(place: Path) -> None:
    loaded = [data.load("folder", place, size=16, workers=workers) for workers in (0, 2)]
    alone, together = (list(one.train.split(4)) for one in loaded)
    assert len(alone) == len(together) == 6
    for first, second in zip(alone, together, strict=True):
        assert torch.equal(first, second)
    first, second = (stream(place, size=16, workers=workers) for workers in (0, 2))
    for _ in range(8):
        assert torch.equal(next(first), next(second))
    second.close()


@pytest.mark.usefixtures("on_disk")
def test_each_picture_is_seen_once_an_epoch_at_another_place_each_time(tmp_path: Path) -> None:
    """Pictures of one colour each, half of it dark: which one, where it was cut, and whether it was mirrored."""
    pixels = np.zeros((16, 64, 3), np.uint8)
    pixels[:, :, 1] = np.linspace(0, 250, 64)
    shots = {}
    for number in range(12):
        pixels[:, :, 0] = 20 * number
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        shots[number] = path.read_bytes()
    batches = stream(tmp_path, batch_size=11, size=16)  # one of the twelve is held out
    seen, starts, rising = [], [], []
    for _ in range(6):
        batch = ((next(batches) + 0.5) * 255).round()
        seen.append(sorted(batch[:, 0, 0, 0].int().tolist()))
        rising += (batch[:, 1, 0, -1] > batch[:, 1, 0, 0]).tolist()
        starts += batch[:, 1, 0].amin(1).tolist()
    assert all(epoch == seen[0] and len(set(epoch)) == 11 for epoch in seen)
    assert 15 < sum(rising) < 51  # 66 throws of a coin
    assert min(starts) < 40 and max(starts) > 140 and len(set(starts)) > 20  # of 0 to 188


def test_a_square_lies_where_it_is_asked_for() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 48, 3), dtype=np.uint8)
    for at, left in (((0.0, 0.5), 0), ((0.5, 0.5), 16), ((1.0, 0.5), 32)):
        found = square(_png(pixels), "x", 16, at)
        np.testing.assert_array_equal(found, pixels[:, left : left + 16].transpose(2, 0, 1))


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_go_on_from_a_state_wherever_in_the_epoch_it_is(place: Path, workers: int) -> None:
    batches = stream(place, size=8, workers=workers)
    for _ in range(7):  # 23 pictures in batches of 4: over the end of an epoch
        state = batches.state_dict()
        expected = next(batches)
        other = stream(place, size=8)
        other.load_state_dict(state)
        assert torch.equal(next(other), expected)
    assert torch.equal(next(other), next(batches))
    batches.close()


@pytest.mark.usefixtures("on_disk")
def test_the_order_depends_on_the_seed_alone(place: Path) -> None:
    first, again, other = stream(place, 3), stream(place, 3), stream(place, 4)
    torch.rand(7)
    assert torch.equal(next(first), next(again)) and not torch.equal(next(first), next(other))


@pytest.mark.usefixtures("on_disk")
def test_processes_read_their_parts_of_the_same_batches(place: Path) -> None:
    whole, parts = stream(place), [stream(place) for _ in range(2)]
    for one in (whole, *parts):
        next(one)  # that of the start, which all of them have whole
    for rank, one in enumerate(parts):
        one.divide(rank, 2)
    for _ in range(7):
        assert torch.equal(torch.cat([next(one) for one in parts]), next(whole))
    assert parts[0].state_dict().keys() == whole.state_dict().keys()
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in parts[1].state_dict().items())


@pytest.mark.usefixtures("on_disk")
def test_a_state_of_other_pictures_is_refused(place: Path) -> None:
    state = stream(place).state_dict()
    (place / "0" / "new.png").write_bytes(picture(99, kind="PNG"))
    with pytest.raises(ValueError, match="is not what the run was started with: pictures were added, removed or"):
        stream(place).load_state_dict(state)


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_file_in_the_middle_is_refused_by_name(place: Path, workers: int) -> None:
    loaded = data.load("folder", place, workers=workers)
    (place / loaded.train.files.names[9]).write_bytes(b"no picture")
    batches = loaded.batches(4, torch.Generator())
    message = rf"{loaded.train.files.names[9]} is truncated or no .*; on_bad_file skip leaves"
    with pytest.raises(ValueError, match=message):
        list(itertools.islice(batches, 6))
    with pytest.raises(ValueError, match=loaded.train.files.names[9]):
        list(loaded.train.split(4))


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("workers", [0, 1])
def test_skipped_files_are_named_once_counted_and_replaced(place: Path, workers: int) -> None:
    loaded = data.load("folder", place, workers=workers, on_bad_file="skip", size=8)
    bad, gone = loaded.train.files.names[3], loaded.train.files.names[8]
    (place / bad).write_bytes(b"no picture")
    (place / gone).unlink()
    batches = loaded.batches(4, torch.Generator())
    with pytest.warns(UserWarning, match="left out") as warned:
        made = [next(batches) for _ in range(12)]  # twice each
    assert sorted(str(warning.message) for warning in warned) == sorted(
        [
            f"left out: {place}: {bad} is truncated or no picture of a format that is read",
            f"left out: {place}: {gone} cannot be read ([Errno 2] No such file or directory: '{place / gone}')",
        ]
    )
    assert {batch.shape for batch in made} == {(4, 3, 8, 8)} and loaded.left_out == 2
    again = data.load("folder", place, on_bad_file="skip", size=8)  # without what is gone: the order is another
    with pytest.warns(UserWarning, match=bad):
        assert sum(map(len, again.train.split(4))) == len(again.train) - 1


@pytest.mark.usefixtures("on_disk")
def test_a_disk_that_is_gone_is_no_number_of_bad_files(place: Path) -> None:
    loaded = data.load("folder", place, on_bad_file="skip")
    for path in place.rglob("*.png"):
        path.unlink()
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(
            ValueError, match="20 pictures one after the other could not be read, the last: .* cannot be read"
        ),
    ):
        next(loaded.batches(4, torch.Generator()))


def test_bad_files_of_what_fits_into_memory_are_left_out_by_name_and_counted(place: Path) -> None:
    (place / "bad.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"left out: .*bad.png is truncated or no picture"):
        loaded = data.load("folder", place, on_bad_file="skip")
    assert len(loaded.train) + len(loaded.test) == COUNT
    assert loaded.description.endswith("1 that cannot be read")
    with pytest.raises(ValueError, match=r"bad.png is truncated or no picture"):
        data.load("folder", place)


@pytest.mark.usefixtures("as_a_user")
def test_what_is_done_about_bad_files_is_one_of_two(place: Path) -> None:
    with pytest.raises(ValueError, match="on_bad_file is 'ignore', must be refuse or skip"):
        data.load("folder", place, on_bad_file="ignore")
    assert LeftOut("skip").reasons == {}


@pytest.mark.usefixtures("on_disk")
def test_a_model_is_evaluated_as_on_the_same_pictures_in_memory(place: Path) -> None:
    far, near = data.load("folder", place), data.load("folder", place).test[:]
    model = build_model(SMALL)
    assert evaluate(model, far.test, batch_size=2) == pytest.approx(evaluate(model, near, batch_size=2), rel=0, abs=0)


@pytest.mark.usefixtures("on_disk")
def test_the_variance_is_that_of_a_sample(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = data.load("folder", place)
    assert loaded.variance == pytest.approx((loaded.train[:].double() / 255).var(unbiased=False).item(), rel=1e-12)
    monkeypatch.setattr("scq.data.image_data.SAMPLED", 5)
    first, again = (data.load("folder", place).variance for _ in range(2))
    assert first == again != loaded.variance


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stopped_run_goes_on_bit_for_bit(place: Path, tmp_path: Path, monkeypatch, workers: int) -> None:
    settings = {"data": "folder", "data_root": place, "size": 8, "checkpoint_every": 3, "steps": 8, "trackers": ()}
    settings |= {"gap": False, "validation_share": 0.2}
    config = SMALL.of("vq_ema", out=tmp_path, name="whole", workers=workers, **settings)
    whole = train(config, progress=False)
    stopped = SMALL.of("vq_ema", out=tmp_path, name="stopped", workers=workers, **settings)
    with monkeypatch.context() as patch:
        steps = iter(range(100))
        patch.setattr("scq.training.loop.Step.__call__", _stopping(steps))
        with pytest.raises(RuntimeError, match="stopped"):
            train(stopped, progress=False)
    assert_same(resume(tmp_path / "stopped", progress=False), whole)


def _stopping(steps):
    from scq.training.step import Step

    following = Step.__call__

    def call(self, *arguments):
        if next(steps) == 5:
            raise RuntimeError("stopped")
        return following(self, *arguments)

    return call


@pytest.mark.usefixtures("on_disk")
def test_ctrl_c_ends_no_worker_before_the_step_is_saved(place: Path) -> None:
    """In a terminal it reaches all processes."""
    batches = stream(place, workers=1, batch_size=2)
    next(batches)
    (process,) = batches._ahead._workers
    os.kill(process.pid, signal.SIGINT)
    for _ in range(12):
        next(batches)
    assert process.is_alive()
    batches.close()
    process.join(10)
    assert not process.is_alive()
