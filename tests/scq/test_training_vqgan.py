"""Runs of the model vqgan: stopped, killed, in two processes, and compared."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from same_runs import assert_same
from small_runs import VQGAN as SETTINGS
from small_runs import few_photos, kept
from small_vqgan import config
from small_vqgan import data as pictures

from scq import data
from scq.cli import main
from scq.models import VQGAN
from scq.training import resume, train
from scq.training.folder import TEST
from scq.training.run import Run

TESTS = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS / 'helpers'}",
    "OMP_NUM_THREADS": "1",
}


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2, "clip_norm": 0.5}], ids=["plain", "parts"])
def test_it_goes_on_bit_for_bit(tmp_path, monkeypatch, changes):
    settings = config(tmp_path, gap=False, **changes)
    whole = train(dataclasses.replace(settings, name="whole"), progress=False, data=pictures())
    objective, calls = VQGAN.objective, []

    def stopping(self, batch, name, made=None):
        calls.append(name)
        if len(calls) == 2 * 7 * settings.accumulate:  # the discriminator's turn in the seventh step
            raise InterruptedError
        return objective(self, batch, name, made)

    with monkeypatch.context() as patch:
        patch.setattr(VQGAN, "objective", stopping)
        with pytest.raises(InterruptedError):
            train(dataclasses.replace(settings, name="stopped"), progress=False, data=pictures())
    assert_same(resume(tmp_path / "stopped", progress=False, data=pictures()), whole)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_that_is_killed_goes_on_bit_for_bit(tmp_path, monkeypatch):
    few = few_photos()
    few = dataclasses.replace(few, test=few.test[:8])
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    uninterrupted = train(kept(tmp_path, **SETTINGS), progress=False)
    command = [sys.executable, TESTS / "helpers" / "killed_run.py", tmp_path, "vqgan", "16"]
    killed = subprocess.run(command, env=ENVIRONMENT, timeout=100, check=False)
    assert killed.returncode == -signal.SIGKILL  # in the second checkpoint
    assert_same(resume(tmp_path / "runs" / "killed", progress=False), uninterrupted)


@pytest.mark.slow
def test_two_processes_train_as_one_does_in_two_parts(tmp_path):
    """Batch normalisation and the adaptive weight are of a part, whoever computes it."""
    about = {"init": "normal", "steps": 3, "log_every": 1, "disc_start_share": 0.0}
    alone = train(config(tmp_path, name="alone", accumulate=2, **about), progress=False, data=pictures())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, TESTS / "helpers" / "small_vqgan.py", tmp_path, json.dumps(about | {"name": "both"})]
    subprocess.run(command, env=ENVIRONMENT, check=True, timeout=100)
    both = Run(tmp_path / "both")
    for name, value in both.model().state_dict().items():
        torch.testing.assert_close(value, alone.model.state_dict()[name], rtol=1e-4, atol=1e-5, msg=name)
    for name in ("disc_weight", "disc_loss", "generator_loss", "logits_real"):
        assert both.log()[-1][f"train/{name}"] == pytest.approx(alone.history[-1][f"train/{name}"], rel=1e-3, abs=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("undrawn")
def test_backends_are_compared_on_its_latents_and_its_runs_reported(tmp_path, monkeypatch):
    few = few_photos()
    few = dataclasses.replace(few, test=few.test[:8])
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    sizes = ["--width", "4", "--residual-layers", "1", "--disc-width", "4", "--codebook-size", "8", "--dim", "4"]
    training = ["--steps", "4", "--log-every", "2", "--batch-size", "4", "--model", "vqgan", "--device", "cpu"]
    out = ["--out", str(tmp_path), "--trackers"]
    assert main(["gap", *training, *sizes, *out, "--methods", "exact", "relaxed"]) == 0
    folder = tmp_path / "gap"
    assert {"psnr", "hard_psnr", "feature_distance"} <= json.loads((folder / "exact" / TEST).read_text()).keys()
    compared = ["--families", "--latents", str(folder / "exact"), "--backends", "active_set", "--repeats", "1"]
    assert main(["compare", *compared, "--out", str(tmp_path)]) == 0
    assert main(["report", str(folder)]) == 0
    page = (folder / "report" / "index.html").read_text()
    assert "feature distance (EfficientNet-Lite0)" in page and "MSE of hard decoding" in page
