"""Every named quantizer trains on photographs from the command line."""

import dataclasses
import json

import pytest
from small_runs import SMALL, few_photos

from scq import data
from scq.cli import main
from scq.quantizers import entries
from scq.quantizers.scalars import Geometric
from scq.training import TrainConfig, build_model, load_run, train

NAMES = [entry.name for entry in entries()]


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)


@pytest.mark.parametrize("name", NAMES)
def test_every_quantizer_trains_from_the_command_line(name, tmp_path, capsys):
    small = ({} if name == "none" else {"codebook_size": 8}) | {
        "dim": 4,
        "width": 8,
        "residual_width": 4,
        "batch_size": 8,
        "log_every": 10,
    }
    settings = small | {"quantizer": name, "steps": 20, "learning_rate": 3e-3, "out": tmp_path, "name": "run"}
    options = [str(word) for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", value)]
    assert main(["train", *options, "--no-gap"]) == 0
    assert f"20 steps of {name} on photos" in capsys.readouterr().out
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert log[-1]["train/mse"] < log[0]["train/mse"]
    config, model = load_run(tmp_path / "run")
    test = json.loads((tmp_path / "run" / "test.json").read_text())
    assert config.quantizer == name and not model.training
    assert (test["hard_mse"] > 0) == (name != "none")


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_settings_of_an_entry_reach_its_quantizer(entry):
    """A setting that is accepted and has no effect would be a silent failure."""
    changes = {
        "lam": {"lam": 0.7},
        "lam_end": {"lam_end": 30.0},
        "anneal_steps": {"anneal_share": 0.5},
        "backend": {"backend": "interior_point"},
        "on_failure": {"on_failure": "raise"},
        "relaxation_steps": {"relaxation_steps": 7},
        "relaxation_projection": {"relaxation_projection": "exact"},
        "quantization_weight": {"quantization_weight": 0.4},
        "commitment_weight": {"commitment_weight": 0.6},
        "regularizer_weight": {"regularizer_weight": 0.3},
        "neighbours": {"neighbours": 5},
        "temperature": {"temperature": 0.7},
        "temperature_end": {"temperature_end": 0.2},
        "decay": {"decay": 0.9},
        "revive_below": {"revive_below": 0.3},
        "init": {"init": "uniform"},
    }
    for setting in entry.settings:
        plain = build_model(SMALL.of(entry.name)).quantizer
        changed = build_model(SMALL.of(entry.name, **changes[setting])).quantizer
        assert repr(changed) != repr(plain) or changed.backend_options != plain.backend_options, setting


@pytest.mark.parametrize("name", ["scq_annealed", "gumbel"])
def test_what_is_annealed_is_so_over_a_share_of_the_training(name):
    config = TrainConfig(quantizer=name, steps=400, anneal_share=0.5)
    (schedule,) = [part for part in build_model(config).modules() if isinstance(part, Geometric)]
    assert schedule.steps == 200


def test_annealing_is_logged_as_it_happens(tmp_path):
    config = dataclasses.replace(SMALL, quantizer="scq_annealed", lam=0.1, lam_end=10.0, steps=4, out=tmp_path)
    result = train(dataclasses.replace(config, log_every=1, anneal_share=0.5), progress=False)
    logged = [line["quantizer/lam"] for line in result.history]
    assert logged == pytest.approx([0.1, 1.0, 10.0, 10.0])
    # The gap belongs to the step's own problem.
    assert all(line["gap/kkt_exact"] < 1e-4 for line in result.history)
    _, loaded = load_run(result.folder)
    assert float(loaded.quantizer.lam) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regularizer_weight": -1.0}, "regularizer_weight is -1.0, must be >= 0"),
        ({"neighbours": 0}, "neighbours is 0, must be at least 1"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_wrong_settings_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**changes)
