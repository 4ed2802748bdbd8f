"""What `scq evaluate` measures of a finished run: 8-bit reconstructions, as trained and hard, beside a floor."""

import dataclasses
import json

import pytest
import torch
from small_runs import config, few_photos
from torch import nn

from scq import data
from scq.cli import main
from scq.models import evaluation
from scq.perceptual import distribution_distances
from scq.training import train
from scq.validation import judge


@pytest.fixture
def run(tmp_path, monkeypatch):
    few = few_photos()
    few = dataclasses.replace(few, train=few.train[:20], test=few.test[:9])
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    result = train(config(tmp_path, steps=1), progress=False)
    return result, few


class Means(nn.Module):
    """In the place of Inception, and called as it is."""

    def forward(self, x: torch.Tensor, return_features: bool) -> torch.Tensor:
        return x.mean((2, 3))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_both_ways_to_decode_are_measured_beside_the_floor(run, tmp_path, capsys):
    result, few = run
    torch.jit.save(torch.jit.script(Means()), tmp_path / "inception.pt")
    found = judge(result.folder, rfid=True, inception_file=tmp_path / "inception.pt", pictures=8, device="cpu")
    assert found["pictures"] == 8 and json.loads((result.folder / "judged.json").read_text())["soft"] == found["soft"]
    numbers = torch.linspace(0, 8, 8).round().long()
    held_out, first = few.test[numbers], few.train[torch.linspace(0, 19, 8).round().long()]
    made = result.model.samples(held_out)
    own = found["soft"]
    assert own["mse"] == pytest.approx(float(((made.float() - held_out.float()) / 255).square().mean()), rel=1e-4)
    assert own["features"] == pytest.approx(distribution_distances([made], [held_out], [first])._asdict(), rel=1e-4)
    of_means = distribution_distances([made], [held_out], [first], lambda x: x.float().mean((2, 3)))
    assert own["inception"] == pytest.approx(of_means._asdict(), rel=1e-4)
    assert found["hard"]["mse"] == pytest.approx(evaluation.evaluate(result.model, held_out)["hard_mse"], rel=1e-2)
    assert found["hard"]["features"]["frechet_floor"] == own["features"]["frechet_floor"]
    assert main(["evaluate", str(result.folder), "--pictures", "8", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "8 held-out pictures" in shown and "floor" in shown and "Frechet, features" in shown and "FID" not in shown


@pytest.mark.usefixtures("as_a_user")
def test_what_cannot_be_measured_is_refused(run, capsys):
    result, _ = run
    with pytest.raises(ValueError, match="model is a Autoencoder without averaged weights"):
        judge(result.folder, average=True, device="cpu")
    assert main(["evaluate", str(result.folder), "--inception", "x.pt"]) == 2
    assert "inception is 'x.pt', but applies to rFID" in capsys.readouterr().err
