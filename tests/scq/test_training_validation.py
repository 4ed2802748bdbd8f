"""Runs that are evaluated on pictures kept from the training ones."""

import pytest
import torch
from small_runs import config, few_photos

from scq import data
from scq.training import evaluate, train


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    return few


def test_a_validation_share_is_kept_from_training_and_evaluated_in_place_of_the_test_pictures(
    tmp_path, photos, monkeypatch
):
    seen = []
    original = data.ImageData.batches

    def recorded(self, *arguments):
        seen.append(self.train)
        return original(self, *arguments)

    monkeypatch.setattr(data.ImageData, "batches", recorded)
    result = train(config(tmp_path, quantizer="vq", validation_share=0.25), progress=False)
    held = round(0.25 * len(photos.train))
    assert torch.equal(seen[0], photos.train[:-held])
    again = evaluate(result.model, photos.train[-held:])
    assert result.test["mse"] == again["mse"]


def test_a_validation_share_too_small_for_a_picture_is_refused(tmp_path):
    with pytest.raises(ValueError, match="validation_share is 1e-09, must leave at least one of the"):
        train(config(tmp_path, quantizer="vq", validation_share=1e-9), progress=False)
