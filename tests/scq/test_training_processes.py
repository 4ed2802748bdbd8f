"""Training by several processes, started as users start them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from archives import picture
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scq.cli import main

ROOT = Path(__file__).parents[2]
TWO_TRAININGS = ROOT / "tests" / "helpers" / "two_trainings.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_processes_train_as_one_with_the_joint_batch(tmp_path):
    """Gradients, codebooks, numbers of the log, files, going on, and evaluation by one of them alone."""
    subprocess.run([sys.executable, TWO_TRAININGS, tmp_path], env=ENVIRONMENT, check=True, timeout=400)


@pytest.mark.slow
def test_two_processes_of_a_loop_of_ones_own_train_as_one():
    """What tests/test_gpu.py has two processes do on one card."""
    script = TWO_TRAININGS.with_name("two_on_a_card.py")
    result = subprocess.run(
        [sys.executable, script, "cpu"], env=ENVIRONMENT, capture_output=True, text=True, timeout=110
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "two processes trained as one, by gloo\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["torch.distributed.run", "--nproc_per_node", "2"],
        # What it does for several GPUs, with CPUs in their place.
        ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"],
    ],
    ids=["torchrun", "accelerate"],
)
def test_launched_processes_write_one_run_and_say_so_once(tmp_path, launcher):
    sizes = ["--width", "8", "--residual-width", "4", "--codebook-size", "8", "--dim", "4", "--steps", "2"]
    command = [sys.executable, "-m", *launcher, "-m", "scq", "train", *sizes, "--device", "cpu", "--out", tmp_path]
    environment = {**ENVIRONMENT, "ACCELERATE_USE_CPU": "true", "MASTER_PORT": "29611"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Run: ") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photos-scq"]
    assert len((tmp_path / "photos-scq" / "metrics.jsonl").read_text().splitlines()) == 2
    shown = EventAccumulator(str(tmp_path / "photos-scq" / "tensorboard"), {"images": 0})
    shown.Reload()
    assert [event.step for event in shown.Images("samples/reconstructions")] == [1, 2]  # of the first one alone


def test_a_batch_that_the_processes_cannot_divide_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 3)
    assert main(["train", "--batch-size", "16", "--out", str(tmp_path / "runs")]) == 2
    assert "batch_size is 16, must be a multiple of processes times accumulate, 3 x 1" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_commands_for_one_process_refuse_several(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["gap"]) == 2
    assert "gap is for one process, must not be started by torchrun or accelerate launch" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_processes_read_pictures_on_the_disk_as_one_does(tmp_path):
    """Each reads its own part of a batch, by workers of its own; the first batch, of the start, whole."""
    for number in range(20):
        path = tmp_path / "data" / ("val" if number < 4 else "train/n01440764") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, kind="PNG"))
    sizes = ["--width", "8", "--residual-width", "4", "--codebook-size", "8", "--dim", "4", "--batch-size", "8"]
    sizes += ["--quantizer", "vq", "--init", "normal", "--steps", "1", "--size", "16", "--workers", "1"]
    data = ["--data", "imagenet", "--data-root", tmp_path / "data", "--device", "cpu", "--out", tmp_path]
    for name, launcher in (("one", []), ("two", ["-m", "torch.distributed.run", "--nproc_per_node", "2"])):
        command = [sys.executable, *launcher, "-m", "scq", "train", *sizes, *data, "--name", name]
        result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=200)
        assert result.returncode == 0, result.stderr
        assert "16 training and 4 test pictures from data (those in val)" in result.stdout
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-5, msg=name)
