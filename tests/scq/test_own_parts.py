"""Backends, quantizers, data sets and models of users, from the command line: those of examples/own_parts.py."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from own_parts_here import EXAMPLES, importable

import scq
from scq.cli import main
from scq.cli.trying import trials, tries
from scq.solvers import plugins
from scq.solvers.registry import get

TRAIN = (
    *("train", "--model", "patches", "--data", "gratings", "--quantizer", "sign", "--device", "cpu"),
    *("--steps", "2", "--batch-size", "8", "--trackers", "--out", "runs", "--name", "mine"),
)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_with_a_model_data_and_quantizer_of_ones_own(capsys: pytest.CaptureFixture) -> None:
    with importable():
        assert main([*TRAIN, "--import", "own_parts"]) == 0
    assert re.search(r"2 steps of sign on gratings; held out: mse 0\.\d+\nRun: runs/mine\n$", capsys.readouterr().out)
    assert json.loads(Path("runs/mine/environment.json").read_text())["imported"] == ["own_parts"]
    # Nothing is imported because a file says so, and what is missing is said.
    assert main(["train", "--resume", "runs/mine"]) == 2
    refused = capsys.readouterr().err
    assert "is 'patches', must be one of" in refused or "is 'gratings', must be one of" in refused
    assert refused.endswith("; it was trained with --import own_parts, which this process has not\n")
    assert refused.count("\n") == 1
    with importable():
        assert main(["train", "--import=own_parts", "--resume", "runs/mine"]) == 0
        assert type(scq.load_run("runs/mine")[1]).__name__ == "Patches"


def test_what_is_brought_is_listed_helped_and_refused_as_ours_is(capsys: pytest.CaptureFixture) -> None:
    with importable():
        assert main(["quantizers", "--import", "own_parts"]) == 0
        assert "cosine_rotation     VQ by cosine with the rotation trick" in capsys.readouterr().out
        with pytest.raises(SystemExit):
            main(["train", "--import", "own_parts", "--quantizer", "cosine_rotation", "--help"])
        shown = capsys.readouterr().out
        assert "--commitment-weight" in shown and "--lam" not in shown
        assert main(["train", "--import", "own_parts", "--quantizer", "sign", "--codebook-size", "8"]) == 2
        assert "codebook_size is 8, but applies to quantizers with codewords" in capsys.readouterr().err


def test_an_entry_that_takes_what_is_no_setting_is_refused_by_name() -> None:
    entry = scq.quantizers.QuantizerInfo("own", "takes too much", layer=lambda *sizes: None, takes=("temprature",))
    scq.quantizers.register(entry)
    try:
        with pytest.raises(ValueError, match="quantizer 'own' takes 'temprature'.*did you mean 'temperature'"):
            scq.training.TrainConfig(quantizer="own")
        with pytest.raises(TypeError, match=r"quantizer 'own' is a NoneType, must be a scq\.quantizers\.Quantizer"):
            scq.quantizer("own", 8, 4)
    finally:
        scq.quantizers.unregister("own")


def test_a_backend_of_ones_own_is_tried_in_a_process_apart() -> None:
    with importable():
        plugins.name_modules(["own_parts"])
        (trial,) = trials(tries([get("nnls")]))
    assert not trial.wrong and trial.residual < 1e-9


def test_how_a_run_of_ones_own_is_gone_on_with_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from scq.training.resuming import command

    monkeypatch.setenv(plugins.VARIABLE, "own_parts,other")
    assert command("train", Path("runs/mine")) == "scq train --resume runs/mine --import own_parts --import other"


def _scq(*arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (EXAMPLES.parent, EXAMPLES)))}
    command = [sys.executable, "-m", "scq", *arguments, "--import", "own_parts"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_backend_of_ones_own_is_compared() -> None:
    sizes = ("--sizes", "32", "4", "8", "--families", "hull", "--dtypes", "float64", "--repeats", "1")
    assert _scq("compare", "--backends", "nnls", *sizes).endswith("1 measurements: 1 ok\n")


PLAN = """
title = "Two of my own"
datasets = ["gratings"]
seeds = 1

[train]
model = "patches"
steps = 2
batch_size = 8
dim = 4
gap = false

[arms.mine]
quantizer = "sign"

[arms.other]
quantizer = "cosine_rotation"
codebook_size = 8
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_the_processes_of_a_study_import_it_too(engine: str) -> None:
    if engine == "ray":
        pytest.importorskip("ray")
    Path("plan.toml").write_text(PLAN)
    shown = _scq("study", "--plan", "plan.toml", "--jobs", "2", "--engine", engine, "--device", "cpu")
    assert "failed" not in shown
    assert len([*Path("runs").rglob("test.json")]) == 2
