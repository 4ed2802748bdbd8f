"""Residual and grouped codes in training, from the command line to the report's numbers."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from small_runs import SMALL, config, few_photos

from scq import Grouped, Residual, SoftConvexQuantizer, data, solvers
from scq.cli import main
from scq.diagnostics import gap_at_latents, gap_of
from scq.models import Autoencoder
from scq.models.base import Objective
from scq.quantizers.calls import recorded
from scq.quantizers.stacked import places
from scq.training import TrainConfig, build_model, load_run, resume, train
from scq.training.dumps import dumped
from scq.training.pooled import PooledNumbers


@pytest.fixture(autouse=True)
def _photos(monkeypatch: pytest.MonkeyPatch) -> None:
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **_: few)


def test_exact_scq_in_stages_and_groups_is_certified_in_each(tmp_path, capsys):
    words = "--codebook-size 8 --dim 4 --width 8 --residual-width 4 --batch-size 8 --steps 20 --log-every 20"
    stacked = "--groups 2 --stages 2 --stage-dropout 0.5 --dump-every 20 --name run"
    assert main(["train", *words.split(), *stacked.split(), "--out", str(tmp_path)]) == 0
    assert "20 steps of scq on photos" in capsys.readouterr().out
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert log[-1]["train/mse"] < log[0]["train/mse"]
    indices = ["0/0", "0/1", "1/0", "1/1"]
    for line in log:
        for name in ("kkt/relative", "gap/kkt_exact", "quantizer/hard_perplexity", "gap/decoded_mse_difference"):
            each = [line[f"{name}/{index}"] for index in indices]
            together = max(each) if "kkt" in name else sum(each) / 4
            assert line[name] == pytest.approx(together)
        assert line["kkt/relative"] < 1e-4 and line["gap/kkt_exact"] < 1e-4 and line["gap/kkt_relaxed"] > 0.01
    files = dumped(tmp_path / "run" / "problems")
    assert [path.stem for path in files] == [f"step-000020-{index.replace('/', '-')}" for index in indices]
    first, last = load_file(files[0]), load_file(files[2])
    assert first["latents"].shape == (8 * 64, 2) and first["codebook"].shape == (8, 2)
    assert len(last["latents"]) < 8 * 64, "those of dropped examples are no problem of the second stage"
    settings, model = load_run(tmp_path / "run")
    assert (settings.groups, settings.stages, settings.stage_dropout) == (2, 2, 0.5)
    assert isinstance(model.quantizer, Grouped) and isinstance(model.quantizer.layers[0], Residual)
    test = json.loads((tmp_path / "run" / "test.json").read_text())
    assert min(test["hard_mse"], test["mse"]) > 0 and test["converged_share"] == 1 and 1 < test["hard_perplexity"] <= 8
    codes = model.encode_to_codes(data.to_float(data.load("photos").test[:2]))
    assert codes.shape == (2, 8, 8, 2, 2) and model.decode_codes(codes[..., :1, :]).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("quantizer", ["vq_ema", "scq_annealed", "fsq"])
def test_a_run_that_goes_on_ends_as_one_that_was_not_stopped(tmp_path, monkeypatch, quantizer):
    stacked = {"groups": 2, "stages": 2, "stage_dropout": 1.0, "gap": False, "checkpoint_every": 2, "trackers": ()}
    whole = train(config(tmp_path, quantizer, name="whole", **stacked), progress=False)
    objective, calls = Autoencoder.objective, []

    def stops(self, batch, name):
        calls.append(name)
        if len(calls) == 4:
            raise RuntimeError("power cut")
        return objective(self, batch, name)

    monkeypatch.setattr(Autoencoder, "objective", stops)
    with pytest.raises(RuntimeError, match="power cut"):
        train(config(tmp_path, quantizer, name="stopped", **stacked), progress=False)
    monkeypatch.setattr(Autoencoder, "objective", objective)
    again = resume(tmp_path / "runs" / "stopped", progress=False)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_the_gap_of_a_stage_is_that_of_its_problem_with_the_others_held():
    model = build_model(SMALL.of("scq", groups=2, stages=2, init="normal"))
    model.meet(data.load("photos"))
    batch = data.to_float(data.load("photos").train[:3])
    with recorded(model.quantizer) as calls:
        output = model.objective(batch, "loss")
    gap = gap_of(model, batch, SMALL, output=output, calls=calls)
    total = output.quantized.quantized.detach()
    for call, place in zip(calls, places(model.quantizer), strict=True):
        stage, group = place.index
        layer, x = place.layer, call.x.detach()
        rows = x.movedim(1, -1).reshape(-1, 2)
        relaxed = solvers.solve(solvers.Problem(rows, layer.codebook, 0.1), "relaxed", steps=SMALL.relaxation_steps)
        swapped = relaxed.reconstruction.detach().reshape(3, 8, 8, 2).movedim(-1, 1)
        other = total.clone()
        other[:, 2 * group : 2 * group + 2] += swapped - layer(x).quantized.detach()
        mse = float(model.loss(other, batch)[1]["mse"])
        assert gap[f"decoded_mse_relaxed/{stage}/{group}"] == pytest.approx(mse, rel=1e-4)
        assert gap[f"decoded_mse_exact/{stage}/{group}"] == pytest.approx(float(output.numbers["mse"]), rel=1e-5)
    # Without the calls, the latents are quantized once more.
    again = gap_of(model, batch, SMALL)
    assert {name: again[name] for name in again if not name.startswith("seconds")} == pytest.approx(
        {name: gap[name] for name in gap if not name.startswith("seconds")}, rel=1e-4, abs=1e-6
    )
    at_latents = gap_at_latents(model, batch, SMALL)
    assert all(value.shape == (3, 8, 8) for value in at_latents.values())
    assert float(at_latents["weights_l2"].mean()) == pytest.approx(gap["weights_l2"], rel=1e-4)
    assert float(at_latents["support_exact"].double().mean()) == pytest.approx(4 * gap["support_exact"], rel=1e-4)
    model.quantizer = Grouped(lambda _: build_model(SMALL.of("vq")).quantizer, 2)
    with pytest.raises(TypeError, match="VectorQuantizer, must have a SoftConvexQuantizer"):
        gap_of(model, batch, SMALL)


def test_parts_of_a_batch_have_the_use_of_the_codebooks_of_all():
    layer = Residual(lambda _: SoftConvexQuantizer(8, 4), 2, dropout=0.5)
    pooled, outputs = PooledNumbers(layer), []
    for _ in range(2):
        x = torch.randn(6, 5, 4)
        quantized = layer(x)
        outputs.append(quantized)
        pooled.add("loss", Objective(quantized.loss, {}, quantized, x), {})
    numbers = pooled.compute()
    for stage in range(2):
        codes = torch.cat([output.indices[..., stage].flatten() for output in outputs])
        shares = codes[codes >= 0].bincount(minlength=8) / (codes >= 0).sum()
        entropy = -(shares[shares > 0] * shares[shares > 0].log()).sum()
        assert numbers[f"quantizer/hard_perplexity/{stage}"] == pytest.approx(math.exp(entropy), rel=1e-5)
    both = [numbers[f"quantizer/hard_perplexity/{stage}"] for stage in range(2)]
    assert numbers["quantizer/hard_perplexity"] == pytest.approx(sum(both) / 2)


def test_one_group_and_one_stage_are_the_quantizer_itself():
    assert type(build_model(SMALL).quantizer) is SoftConvexQuantizer
    assert isinstance(build_model(SMALL.of("vq", stages=3)).quantizer, Residual)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 3}, "dim is 16, must be a multiple of groups, 3"),
        ({"quantizer": "none", "groups": 2}, "groups is 2, but applies to quantizers with codewords"),
        ({"quantizer": "none", "stages": 2}, "stages is 2, but applies to quantizers with codewords"),
        ({"stage_dropout": 0.5}, r"stage_dropout is 0.5, but applies to several stages \(stages is 1\)"),
        ({"stages": 0}, "stages is 0, must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)
