"""Runs that differ in the quantizer alone: the same start, the same batches, and seeds that decide both."""

import pytest
import torch
from small_runs import METHODS, SMALL, config, few_photos

from scq import data
from scq.data.batching import Batches
from scq.models import Autoencoder
from scq.training import CommonConfig, build_model, train


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    return few


def test_paired_runs_start_alike_and_see_the_same_batches(tmp_path, monkeypatch):
    """Without this, a comparison of quantizers compares seeds."""
    common = CommonConfig(**vars(SMALL) | {"init": "normal", "out": tmp_path})
    seen, starts = {}, {}

    following = Batches.__next__

    def recorded(self):
        seen.setdefault(current, []).append(following(self))
        return seen[current][-1]

    calibrate = Autoencoder.calibrate

    def recorded_calibrate(model, pictures):
        calibrate(model, pictures)
        starts[current] = {name: value.clone() for name, value in model.state_dict().items()}

    monkeypatch.setattr(Autoencoder, "calibrate", recorded_calibrate)
    monkeypatch.setattr(Batches, "__next__", recorded)
    for current in METHODS:
        train(common.of(current), progress=False)
    for method in METHODS[1:]:
        assert len(seen[method]) == len(seen["scq"]) == SMALL.steps + 1
        for a, b in zip(seen["scq"], seen[method], strict=True):
            assert torch.equal(a, b)
        for name, value in starts[method].items():
            assert torch.equal(value, starts["scq"][name]), (method, name)
    assert any(name.startswith("encoder") for name in starts["none"])
    assert "quantizer.embedding.codewords" in starts["vq"]


def test_paired_runs_share_the_codebook_that_kmeans_finds(photos):
    pictures = data.to_float(photos.train[:16])
    codebooks = []
    for method in ("scq", "scq_relaxed", "vq"):
        model = build_model(SMALL.of(method)).train()
        model.calibrate(pictures)
        model(pictures)
        codebooks.append(model.quantizer.codebook.detach())
    assert torch.equal(codebooks[0], codebooks[1]) and torch.equal(codebooks[0], codebooks[2])


def test_the_same_seed_gives_the_same_run_and_another_one_does_not(tmp_path):
    def weights(seed):
        return train(config(tmp_path, seed=seed), progress=False).model.state_dict()

    first, second, other = weights(3), weights(3), weights(4)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])


def test_global_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_model(SMALL)
    assert torch.equal(torch.rand(3), expected)


def test_calibration_gives_latents_of_unit_scale(photos):
    model = build_model(SMALL)
    pictures = data.to_float(photos.train)
    model.calibrate(pictures)
    latents = model.encode(pictures).detach()
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)


def test_displaced_latents_differ_by_the_offset_in_every_channel(photos):
    pictures = data.to_float(photos.train[:4])
    model = build_model(SMALL)
    before = model.encode(pictures)
    model.displace(5.0)
    assert torch.allclose(model.encode(pictures), before + 5.0, atol=1e-5)
