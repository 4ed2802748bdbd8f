"""Training runs as parts of something larger."""

import pytest
import torch
from small_runs import few_photos, kept

from scq import data
from scq.data.batching import Batches
from scq.training import load_run, train
from scq.validation.common.attempts import attempt


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)


def stop_at(monkeypatch, number):
    following, asked = Batches.__next__, []

    def stopping(self):
        asked.append(None)
        if len(asked) == number:
            raise RuntimeError("stopped")
        return following(self)

    monkeypatch.setattr(Batches, "__next__", stopping)


def test_an_attempt_goes_on_where_the_one_before_left_off(tmp_path, monkeypatch):
    uninterrupted = train(kept(tmp_path, quantizer="vq"), progress=False)
    settings = kept(tmp_path, quantizer="vq", name="cell")
    with monkeypatch.context() as patch:
        stop_at(patch, 12)
        assert attempt(settings, False, print)["state"] == "failed"
    seen = []
    monkeypatch.setattr("scq.validation.common.attempts.train", lambda *_: seen.append("trained anew"))
    assert attempt(settings, False, print)["state"] == "done" and not seen
    model = load_run(tmp_path / "runs" / "cell")[1]
    assert torch.equal(model.quantizer.codebook, uninterrupted.model.quantizer.codebook)


def test_an_attempt_with_other_settings_sets_the_remains_aside(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 12)
        attempt(kept(tmp_path, quantizer="vq", name="cell"), False, print)
    assert attempt(kept(tmp_path, quantizer="vq", name="cell", seed=1), False, print)["state"] == "done"
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"cell", "cell-unfinished-1"}
