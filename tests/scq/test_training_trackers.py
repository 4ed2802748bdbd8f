"""Where the numbers of the log go besides its file."""

import pytest
from accelerate.tracking import GeneralTracker
from small_runs import config, few_photos

from scq import data
from scq.training import trackers, train


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None: few)


class Recorder(GeneralTracker):
    name = "recorder"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.said = []

    @property
    def tracker(self):
        return self.said

    def start(self):
        self.said.append("start")

    def store_init_configuration(self, values):
        self.settings = values

    def log(self, values, step=None, **_):
        self.said.append({"step": step, **values})

    def finish(self):
        self.said.append("finish")


def test_a_tracker_gets_the_settings_and_every_number_of_the_log(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(trackers, "check_installed", lambda names: None)
    monkeypatch.setitem(trackers.MAKERS, "wandb", lambda folder, step: recorder)
    result = train(config(tmp_path, quantizer="vq", trackers=("tensorboard", "wandb")), progress=False)
    assert recorder.said == ["start", *result.history, "finish"]
    assert recorder.settings["lam"] == 0.1 and recorder.settings["data_root"] == "None"
    assert (result.folder / "tensorboard").is_dir()


def test_a_tracker_that_is_not_installed_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="trackers has 'trackio', which is not installed: pip install trackio"):
        train(config(tmp_path, trackers=("trackio",)), progress=False)
    assert not (tmp_path / "runs").exists()


def test_without_trackers_the_log_is_all_there_is(tmp_path):
    folder = train(config(tmp_path, quantizer="vq", trackers=()), progress=False).folder
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "environment.json",
        "metrics.jsonl",
        "model.safetensors",
        "test.json",
    }
