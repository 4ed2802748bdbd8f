"""What training knows of a model: another one, with losses in turn and data of its own, is trained by the same loop."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_model import Toy, read, registered

from scq.data.batching import TensorBatches
from scq.training import TrainConfig, build_model, load_run, resume, train
from scq.training.dumps import dumped
from scq.training.folder import write_json
from scq.training.model import noise_seed, seeds
from scq.training.run import Run


@pytest.fixture(autouse=True)
def _registered():
    with registered():
        yield


def settings(tmp_path, **changes):
    sizes = {"codebook_size": 6, "dim": 2, "width": 8, "batch_size": 8, "steps": 12, "log_every": 4}
    about = {"model": "toy", "data": "points", "checkpoint_every": 5, "trackers": (), "device": "cpu", "out": tmp_path}
    return TrainConfig(**sizes | about | changes)


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


def without_times(line):
    return {name: value for name, value in line.items() if not name.startswith("time/")}


def plain(config):
    """The loop as anyone would write it."""
    model, points = build_model(config), read(None).train
    batches = TensorBatches(points, 8, torch.Generator().manual_seed(seeds(config.seed)[2]), lambda x: x)
    torch.manual_seed(noise_seed(config.seed, 0))
    optimizers = model.optimizers(config.learning_rate)
    next(batches)
    for _ in range(config.steps):
        batch = next(batches)
        for name, optimizer in optimizers.items():
            model.zero_grad()
            model.objective(batch, name).loss.backward()
            optimizer.step()
    return model.state_dict()


def test_two_losses_take_turns_each_on_its_own_parameters(tmp_path):
    config = settings(tmp_path)
    result = train(config, progress=False)
    assert isinstance(result.model, Toy) and result.model.started == 1
    assert same(result.model.state_dict(), plain(config))
    assert result.test == result.model.evaluate(read(None).test)
    for line in result.history:
        assert {"train/loss", "train/error", "train/quantizer_loss", "train/critic_loss", "kkt/relative"} <= line.keys()
        assert 0 < line["gap/weights_l2"] and "gap/decoded_error_difference" in line
    loaded = load_run(result.folder)[1]
    assert isinstance(loaded, Toy) and same(loaded.state_dict(), result.model.state_dict())


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2, "clip_norm": 0.1}], ids=["plain", "parts"])
def test_it_goes_on_bit_for_bit(tmp_path, monkeypatch, changes):
    config = settings(tmp_path, **changes)
    whole = train(dataclasses.replace(config, name="whole"), progress=False)
    objective, calls = Toy.objective, []

    def stopping(self, batch, name):
        calls.append(name)
        if len(calls) == 2 * 8 * config.accumulate:  # in the eighth step
            raise InterruptedError
        return objective(self, batch, name)

    with monkeypatch.context() as patch:
        patch.setattr(Toy, "objective", stopping)
        with pytest.raises(InterruptedError):
            train(dataclasses.replace(config, name="stopped"), progress=False)
    again = resume(tmp_path / "stopped", progress=False)
    assert again.model.started == 0
    assert same(again.model.state_dict(), whole.model.state_dict())
    for line, expected in zip(again.history, whole.history, strict=True):
        assert without_times(line) == without_times(expected)
    if changes:
        assert {"train/gradient_norm", "train/critic_gradient_norm"} <= again.history[0].keys()


@pytest.mark.slow
def test_two_processes_train_it_as_one_does(tmp_path):
    config = settings(tmp_path, steps=3, init="normal", name="alone", accumulate=2)
    changed = {field.name for field in dataclasses.fields(config) if getattr(config, field.name) != field.default}
    content = {name: getattr(config, name) for name in changed - {"out"}} | {"name": "both"}
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests.parent}{os.pathsep}{tests / 'helpers'}", "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, tests / "helpers" / "toy_training.py", tmp_path, json.dumps(content)]
    subprocess.run(command, env=environment, check=True, timeout=100)
    alone, both = train(config, progress=False), Run(tmp_path / "both")
    for name, value in both.model().state_dict().items():
        torch.testing.assert_close(value, alone.model.state_dict()[name], msg=name)
    assert both.log()[-1]["train/critic_loss"] == pytest.approx(alone.history[-1]["train/critic_loss"])


def test_its_problems_are_dumped(tmp_path):
    folder = train(settings(tmp_path, dump_every=6), progress=False).folder
    first, second = dumped(folder / "problems")
    assert load_file(first)["latents"].shape == load_file(second)["latents"].shape == (8, 2)


def test_what_does_not_go_together_is_refused(tmp_path):
    with pytest.raises(ValueError, match="data is 'points', which are tensors; must be pictures, as model 'vqvae'"):
        TrainConfig(data="points")
    with pytest.raises(ValueError, match="residual_width is 4, but applies to model 'vqvae' alone"):
        settings(tmp_path, residual_width=4)
    with pytest.raises(ValueError, match="model is 'vqva', must be one of: vqvae, .*toy; did you mean 'vqvae'"):
        TrainConfig(model="vqva")


def test_settings_of_before_are_of_the_autoencoder(tmp_path):
    Run(tmp_path).write_config(TrainConfig())
    content = json.loads((tmp_path / "config.json").read_text())
    assert content.pop("model") == "vqvae"
    write_json(tmp_path / "config.json", content)
    assert Run(tmp_path).config == TrainConfig()


def test_a_model_that_has_not_met_the_data_says_so():
    model = build_model(TrainConfig(quantizer="vq", width=4, residual_width=2, residual_layers=1, dim=2))
    with pytest.raises(ValueError, match="model knows no data, must meet it before it has a loss"):
        model.objective(torch.zeros(1, 3, 8, 8), "loss")


def test_data_can_be_passed_in(tmp_path):
    points = read(None)
    named = train(settings(tmp_path), progress=False)
    as_tensors = train(settings(tmp_path), progress=False, data=(points.train, points.test))
    assert same(as_tensors.model.state_dict(), named.model.state_dict()) and as_tensors.test == named.test
    assert as_tensors.folder.name == "given-scq" and Run(as_tensors.folder).config.data == "given"
    (as_tensors.folder / "test.json").unlink()
    with pytest.raises(ValueError, match=r"data is 'given', must be passed from Python, as it was to train\(config"):
        resume(as_tensors.folder, progress=False)
    again = resume(as_tensors.folder, progress=False, data=points)
    assert same(again.model.state_dict(), named.model.state_dict())


@pytest.mark.usefixtures("as_a_user")
def test_data_that_the_model_does_not_take_is_refused(tmp_path):
    points = read(None)
    with pytest.raises(ValueError, match="data is tensors, must be pictures, as model 'vqvae' takes"):
        train(TrainConfig(out=tmp_path, device="cpu"), progress=False, data=points)
    with pytest.raises(TypeError, match="data is a Tensor, must be a Dataset or a pair of tensors, train and test"):
        train(settings(tmp_path), progress=False, data=points.train)
    with pytest.raises(ValueError, match=r"test has shape \(0, 3\), must have at least 1 example"):
        train(settings(tmp_path), progress=False, data=(points.train, points.test[:0]))
    with pytest.raises(ValueError, match="data is 'given', must be passed from Python"):
        train(settings(tmp_path, data="given"), progress=False)
    assert not list(tmp_path.iterdir())
