"""Training runs on a few real photographs, with small models."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_runs import METHODS, SMALL, config, few_photos
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scq import data, solvers
from scq.solvers.registry import get
from scq.training import evaluate, load_run, loop, train
from scq.training.run import Run


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    return few


@pytest.mark.parametrize("quantizer", METHODS)
def test_a_run_leaves_a_complete_folder(tmp_path, quantizer, photos):
    result = train(config(tmp_path, quantizer=quantizer), progress=False)
    files = {path.name for path in result.folder.iterdir()}
    assert files == {
        "config.json",
        "run.toml",
        "environment.json",
        "metrics.jsonl",
        "tensorboard",
        "model.safetensors",
        "test.json",
    }
    assert [line["step"] for line in result.history] == [1, 2, 4]
    assert Run(result.folder).log() == result.history
    for line in result.history:
        assert all(math.isfinite(value) for value in line.values())
    test = json.loads((result.folder / "test.json").read_text())
    assert test.keys() == result.test.keys() and test["mse"] == result.test["mse"]

    assert not result.model.training and not result.model.quantizer.diagnose
    loaded_config, model = load_run(result.folder)
    assert loaded_config == config(tmp_path, quantizer=quantizer)
    again = evaluate(model, photos.test)
    assert again["mse"] == pytest.approx(result.test["mse"], rel=1e-5)


def test_soft_convex_runs_log_residuals_solver_and_gap(tmp_path):
    line = train(config(tmp_path, steps=1), progress=False).history[-1]
    assert {
        "train/loss",
        "train/mse",
        "kkt/primal",
        "kkt/dual",
        "kkt/complementarity",
        "kkt/relative",
        "quantizer/iterations",
        "quantizer/converged_share",
        "quantizer/support_size",
        "quantizer/margin",
        "gap/weights_l1",
        "gap/support_overlap",
        "gap/decoded_mse_difference",
        "gap/gradient_codebook_cosine",
        "time/step",
        "time/gap",
    } <= line.keys()
    assert line["kkt/relative"] < 1e-5
    assert line["quantizer/converged_share"] == 1
    # The gap is that of this very batch and codebook: its exact side must be what the layer computed.
    assert line["gap/support_exact"] == pytest.approx(line["quantizer/support_size"])
    assert line["gap/decoded_mse_exact"] == pytest.approx(line["train/mse"], rel=1e-5)


def test_gap_can_be_left_out(tmp_path):
    line = train(config(tmp_path, steps=1, gap=False), progress=False).history[-1]
    assert not any(name.startswith("gap/") for name in line)
    assert "kkt/relative" in line


def test_measuring_the_gap_does_not_change_the_training(tmp_path):
    plain = train(config(tmp_path, gap=False), progress=False)
    measured = train(config(tmp_path, gap=True), progress=False)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, measured.model.state_dict()[name]), name


def test_tensorboard_has_the_numbers_of_the_log(tmp_path):
    result = train(config(tmp_path), progress=False)
    events = EventAccumulator(str(result.folder / "tensorboard"))
    events.Reload()
    names = {name for line in result.history for name in line} - {"step"}
    assert set(events.Tags()["scalars"]) == names
    for name in ("train/loss", "kkt/relative", "gap/weights_l1"):
        logged = [(line["step"], pytest.approx(line[name], rel=1e-6)) for line in result.history]
        assert [(event.step, event.value) for event in events.Scalars(name)] == logged


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", METHODS)
def test_training_learns(tmp_path, quantizer):
    """Well below the error of predicting the mean colour, which is the data's variance."""
    result = train(config(tmp_path, quantizer=quantizer, steps=150, batch_size=16, width=16, gap=False), progress=False)
    assert result.history[-1]["train/mse"] < 0.5 * result.history[0]["train/mse"]


def test_a_run_never_overwrites_another(tmp_path):
    folders = [train(config(tmp_path, steps=1, gap=False, name="same"), progress=False).folder for _ in range(3)]
    assert [folder.name for folder in folders] == ["same", "same-2", "same-3"]
    assert all(len(Run(folder).log()) == 1 for folder in folders)


def test_an_unwritable_folder_is_reported_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_run", lambda *_: pytest.fail("trained"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="out is .*file.*, which cannot be written to"):
        train(dataclasses.replace(SMALL, out=tmp_path / "file" / "runs"), progress=False)


def test_a_missing_backend_is_reported_before_anything_is_written(tmp_path):
    entry = dataclasses.replace(get("qpth"), name="absent", package="no_such_package", install="pip install it")
    solvers.register(entry)
    try:
        with pytest.raises(solvers.BackendMissingError, match="pip install it"):
            train(config(tmp_path, backend="absent"), progress=False)
    finally:
        solvers.unregister("absent")
    assert not any(tmp_path.iterdir())


def test_a_killed_run_loses_no_line(tmp_path):
    """Killed without a chance to flush: what was logged must be on disk."""
    script = f"""
import os
from pathlib import Path
from scq.training.log import MetricLog
log = MetricLog(Path({str(tmp_path)!r}))
log.write(1, {{"train/loss": 0.5}})
log.write(2, {{"train/loss": 0.25}})
os._exit(9)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(loop.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 9
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "train/l')
    assert [line["train/loss"] for line in Run(tmp_path).log()] == [0.5, 0.25]


def test_environment_names_versions_but_no_place(tmp_path):
    folder = train(config(tmp_path, steps=1, gap=False), progress=False).folder
    text = (folder / "environment.json").read_text()
    content = json.loads(text)
    # Some builds say where they are from, "+cu124", in one of the two only.
    assert content["packages"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert content["cpus"] == os.cpu_count() and content["device"] == "cpu"
    for place in (Path.home(), Path.cwd(), tmp_path):
        assert str(place) + "/" not in text
