"""Settings are checked when they are made, and stay light enough for the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scq.training import TrainConfig, build_model, load_run
from scq.training.folder import new_folder, write_json
from scq.training.run import Run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantizer": "scp"}, "quantizer is 'scp', must be one of: scq, scq_relaxed, scq_annealed, vq, none"),
        ({"backend": "simplex"}, "backend is 'simplex', must be one of: "),
        ({"backend": "relaxed"}, "backend is 'relaxed', must be exact when gap is measured"),
        ({"steps": 0}, "steps is 0, must be at least 1"),
        ({"batch_size": -2}, "batch_size is -2, must be at least 1"),
        ({"lam": 0.0}, "lam is 0.0, must be finite and > 0"),
        ({"lam_end": -1.0}, "lam_end is -1.0, must be finite and > 0"),
        ({"anneal_share": 0.0}, "anneal_share is 0.0, must be > 0 and <= 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, must be finite"),
        ({"commitment_weight": -0.1}, "commitment_weight is -0.1, must be >= 0"),
        ({"init": "zeros"}, "init is 'zeros', must be one of: normal, uniform, kmeans"),
        ({"on_failure": "stop"}, "on_failure is 'stop', must be one of: raise, warn, fallback"),
        ({"name": "a/b"}, "name is 'a/b', must be the name of one folder"),
        ({"latents_offset": float("inf")}, "latents_offset is inf, must be finite"),
        ({"size": 30}, "size is 30, must be a multiple of 4, from 8 to 1024"),
        ({"size": 4}, "size is 4, must be a multiple of 4, from 8 to 1024"),
        ({"validation_share": 1.0}, "validation_share is 1.0, must be >= 0 and < 1"),
        ({"name": ".."}, "name is '..', must be the name of one folder"),
        ({"accumulate": 0}, "accumulate is 0, must be at least 1"),
        ({"accumulate": 3}, "batch_size is 64, must be a multiple of accumulate, 3"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0, must be at least 1"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0, must be finite and > 0, or None"),
        ({"precision": "fp8"}, "precision is 'fp8', must be one of: no, bf16, fp16"),
        ({"trackers": ("tensorbord",)}, "trackers has 'tensorbord', must be among: tensorboard, wandb"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_wrong_settings_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**changes)


def test_relaxed_backend_is_allowed_without_the_gap():
    assert TrainConfig(backend="relaxed", gap=False).backend == "relaxed"


def test_settings_round_trip_through_the_folder(tmp_path):
    config = TrainConfig(
        data="cifar10",
        data_root=Path("somewhere"),
        lam=0.25,
        name="x",
        quantizer="scq_relaxed",
        out=Path("a/b"),
        trackers=(),
    )
    Run(tmp_path).write_config(config)
    assert Run(tmp_path).config == config


def test_settings_that_an_older_run_does_not_have_are_what_it_did(tmp_path):
    config = TrainConfig(lam=0.25)
    Run(tmp_path).write_config(config)
    content = json.loads((tmp_path / "config.json").read_text())
    for name in ("accumulate", "clip_norm", "precision", "trackers", "checkpoint_every"):
        del content[name]
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert Run(tmp_path).config == config


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"must be the folder of a run \(it has no config.json\)"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text('{"stepz": 3}')
    with pytest.raises(ValueError, match="is not the configuration of a run of this version"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text('{"steps": ')
    with pytest.raises(ValueError, match="is not the configuration of a run of this version"):
        load_run(tmp_path)


def test_an_unfinished_run_is_told_from_a_finished_one(tmp_path):
    Run(tmp_path).write_config(TrainConfig())
    with pytest.raises(ValueError, match="has not finished"):
        load_run(tmp_path)


def test_folders_are_numbered(tmp_path):
    assert [new_folder(tmp_path / "new" / "runs", "a").name for _ in range(3)] == ["a", "a-2", "a-3"]


def test_settings_need_no_torch():
    """The command line is made from them, and must start in under a second."""
    script = "import sys, scq.training, scq.quantizers; scq.quantizers.entries(); sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


def test_a_run_says_what_its_folder_has(tmp_path):
    """Each as it is on disk now, while the run goes on."""
    run = Run.create(tmp_path, "run")
    assert run.log() == [] and not run.finished and run.checkpoints.steps() == []
    with pytest.raises(ValueError, match="must be the folder of a run"):
        Run.open(run.folder)
    config = TrainConfig(quantizer="vq", width=4, residual_width=2, residual_layers=1, dim=2, codebook_size=4)
    run.write_config(config)
    assert Run.open(run.folder).config == config
    model = build_model(config)
    run.write_model(model)
    write_json(run.folder / "test.json", {"mse": 0.5})
    assert run.finished and run.test == {"mse": 0.5}
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in run.model().state_dict().items())
