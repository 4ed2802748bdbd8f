"""Frames of gridworlds: drawn, of other episodes for the test, none on both sides."""

import sys
from pathlib import Path

import pytest
import torch

from scq import data
from scq.data import minigrid
from scq.data.minigrid import read


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minigrid, "TASKS", ("DoorKey-8x8", "Dynamic-Obstacles-8x8"))
    monkeypatch.setattr(minigrid, "TRAIN", range(3))
    monkeypatch.setattr(minigrid, "TEST", range(1000, 1002))


def test_frames_are_the_same_every_time_and_none_is_on_both_sides() -> None:
    first, again = data.load("minigrid"), read()
    assert torch.equal(first.train, again.train) and torch.equal(first.test, again.test)
    frames = [frame.numpy().tobytes() for frame in (*first.train, *first.test)]
    assert len(set(frames)) == len(frames) > 60
    assert first.train.shape[1:] == (3, 32, 32) and "3 and 2 episodes each" in first.description


def test_frames_are_drawn_at_the_size_that_is_asked_for() -> None:
    small, large = data.load("minigrid", size=16), data.load("minigrid", size=64)
    # Walls are of one colour, whatever the size, where the agent does not look.
    assert {(100, 100, 100)} == {tuple(frame[:, 0, -1].tolist()) for frame in (small.train[0], large.train[0])}
    assert large.train.shape[2:] == (64, 64)
    with pytest.raises(ValueError, match="size is 36, must be a multiple of 8 for data set 'minigrid'"):
        data.load("minigrid", size=36)


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minigrid", None)
    monkeypatch.setattr("scq.extras.missing", lambda extra: ["minigrid"] if extra == "rl" else [])
    with pytest.raises(ImportError, match=r'not installed: minigrid; run: pip install "scq\[rl\]"'):
        data.load("minigrid")


def test_it_has_no_root(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must not be given: data set 'minigrid' is inside installed packages"):
        data.load("minigrid", tmp_path)
