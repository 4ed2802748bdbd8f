"""A prior over the codes of a run: its bits are what the chain rule says, and it learns what there is to learn."""

import dataclasses
import json
import math

import pytest
import torch
from PIL import Image
from small_runs import config, few_photos
from transformers import GPT2LMHeadModel

from scq import data
from scq.cli import main
from scq.training import train
from scq.validation import priors as module

SMALL = module.PriorSettings(width=16, layers=1, heads=2, steps=4, batch_size=4, every=2, samples=3)


def counting(number, size, length):
    """The first code is anything, each of the others one more than the one before."""
    first = torch.randint(size, (number, 1), generator=torch.Generator().manual_seed(0))
    return (first + torch.arange(length)) % size


@pytest.mark.slow
def test_it_learns_what_follows_from_what_and_bits_are_those_of_the_chain_rule():
    size, length = 4, 6
    codes = counting(64, size, length)
    settings = dataclasses.replace(SMALL, width=32, steps=150, batch_size=32, learning_rate=1e-2, every=50)
    network, step = module._trained(codes[:48], codes[48:], size, settings, progress=False)
    bits = module._bits(network, codes[48:], size)
    assert step in (50, 100, 150)
    # Two bits for the first code, none for the rest.
    assert math.log2(size) / length - 0.1 < bits < math.log2(size) / length + 0.15
    assert module._bits_alone(codes[:48], codes[48:], size) == pytest.approx(2, abs=0.1)
    row, total = codes[50].tolist(), 0.0
    for place, code in enumerate(row):
        with torch.no_grad():
            logits = network(torch.tensor([[size, *row[:place]]]), attention_mask=torch.ones(1, place + 1)).logits[
                0, -1
            ]
        total -= float(logits[:size].log_softmax(0)[code]) / math.log(2)
    assert module._bits(network, codes[50:51], size) == pytest.approx(total / length, rel=1e-4)
    drawn = module._drawn(network, 20, length, size)
    assert drawn.shape == (20, length) and drawn.max() < size
    assert ((drawn[:, 1:] - drawn[:, :-1]) % size == 1).float().mean() > 0.9


@pytest.fixture
def few(monkeypatch):
    some = few_photos()
    some = dataclasses.replace(some, train=some.train[:20], test=some.test[:6])
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: some)
    return some


def test_a_run_gets_bits_samples_and_their_nearest_pictures(tmp_path, few, capsys):
    folder = train(config(tmp_path, quantizer="vq", steps=1), progress=False).folder
    options = ["--width", "16", "--layers", "1", "--heads", "2", "--steps", "4", "--every", "2", "--samples", "3"]
    assert main(["prior", str(folder), *options, "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "bits a latent under the prior" in shown and "3 samples: Frechet distance" in shown and "FID" not in shown
    found = json.loads((folder / "prior" / "prior.json").read_text())
    assert found["bits_uniform"] == 3 and 0 < found["bits"] < 4 and found["pictures"] == 3
    with Image.open(folder / "prior" / "samples.png") as picture:
        assert picture.size == (8 * 36, 72)
    again = GPT2LMHeadModel.from_pretrained(folder / "prior")
    assert again.config.vocab_size == 9 and again.config.n_positions == 65


@pytest.mark.usefixtures("as_a_user")
def test_soft_codes_are_refused_with_the_reason(tmp_path, few):
    folder = train(config(tmp_path, quantizer="scq", steps=1), progress=False).folder
    with pytest.raises(
        ValueError, match=r"codes are soft: the codeword of the largest weight alone moves the quantized"
    ):
        module.prior(folder, SMALL, device="cpu", progress=False)
    assert not (folder / "prior").exists()
