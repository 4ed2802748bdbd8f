"""Where the numbers of the log go besides its file, and the pictures and histograms beside them."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.tracking import GeneralTracker
from PIL import Image
from same_runs import assert_same
from small_runs import config, few_photos
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_model import read, registered

from scq import data
from scq.models import Autoencoder
from scq.training import TrainConfig, resume, trackers, train
from scq.training.run import Run
from scq.training.samples import Samples


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)


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
    recorder = Recorder()  # by its name none that shows pictures
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
        "run.toml",
        "environment.json",
        "metrics.jsonl",
        "model.safetensors",
        "test.json",
    }


def events(folder):
    """What TensorBoard shows of a run."""
    found = EventAccumulator(str(folder / "tensorboard"), {"images": 0, "histograms": 0})
    found.Reload()
    return found


def picture(event):
    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def counted(event):
    """How many codes there are in each bin that has any, by its upper edge."""
    value = event.histogram_value
    return {edge: count for edge, count in zip(value.bucket_limit, value.bucket, strict=True) if count}


def test_tensorboard_shows_what_the_model_makes_of_held_out_pictures_and_their_codes(tmp_path):
    result = train(config(tmp_path, samples_every=2, steps=3), progress=False)
    shown = events(result.folder)
    assert [event.step for event in shown.Images("samples/reconstructions")] == [1, 2, 3]

    held_out = few_photos().test
    chosen = held_out[torch.linspace(0, len(held_out) - 1, 8).round().long()]
    top, below = np.split(picture(shown.Images("samples/reconstructions")[-1]), 2)
    assert np.array_equal(top, np.concatenate(chosen.permute(0, 2, 3, 1).numpy(), axis=1))
    assert np.array_equal(below, np.concatenate(result.model.samples(chosen).permute(0, 2, 3, 1).numpy(), axis=1))

    coded = held_out[torch.linspace(0, len(held_out) - 1, min(64, len(held_out))).round().long()]
    counts = torch.bincount(result.model.encode_to_codes(data.to_float(coded)).flatten(), minlength=8).tolist()
    wanted = {code + 0.5: count for code, count in enumerate(counts) if count}
    assert counted(shown.Histograms("samples/codes")[-1]) == wanted


def test_training_goes_on_as_if_nobody_had_looked(tmp_path):
    # Of gumbel, which draws and moves its temperature with every pass of training.
    runs = [train(config(tmp_path, "gumbel", steps=3, samples_every=n), progress=False) for n in (0, 1)]
    assert_same(*runs)
    assert events(runs[0].folder).Tags()["images"] == []
    assert len(events(runs[1].folder).Images("samples/reconstructions")) == 3


def test_a_run_that_goes_on_shows_each_step_once(tmp_path, monkeypatch):
    class StopError(Exception):
        pass

    show = Samples.show

    def stops(self, step):
        show(self, step)
        if step == 5:
            raise StopError

    monkeypatch.setattr(Samples, "show", stops)
    settings = config(tmp_path, "vq", steps=6, checkpoint_every=4, samples_every=1, name="stopped")
    with pytest.raises(StopError):
        train(settings, progress=False)
    monkeypatch.setattr(Samples, "show", show)
    folder = resume(settings.out / "stopped", progress=False).folder
    for kind in (events(folder).Images("samples/reconstructions"), events(folder).Histograms("samples/codes")):
        assert [event.step for event in kind] == [1, 2, 3, 4, 5, 6]


def test_data_that_is_no_pictures_has_a_histogram_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "load", lambda name, root=None: read(None))
    sizes = {"codebook_size": 6, "dim": 2, "width": 8, "batch_size": 8, "steps": 2}
    with registered():
        settings = TrainConfig(model="toy", data="points", device="cpu", out=tmp_path, samples_every=1, **sizes)
        shown = events(train(settings, progress=False).folder)
    assert shown.Tags()["images"] == []
    assert sum(counted(shown.Histograms("samples/codes")[-1]).values()) == 12  # a code for each point


def test_without_a_codebook_there_are_pictures_alone(tmp_path):
    shown = events(train(config(tmp_path, "none", samples_every=4), progress=False).folder)
    assert shown.Tags()["histograms"] == []
    assert [event.step for event in shown.Images("samples/reconstructions")] == [1, 4]


def test_wandb_gets_the_same_in_its_own_terms(tmp_path, monkeypatch):
    said = []

    class Wandb(Recorder):
        name = "wandb"

        def log(self, values, step=None, **_):
            said.extend((step, name, value) for name, value in values.items() if name.startswith("samples/"))

        def log_images(self, values, step=None):
            said.extend((step, name, images) for name, images in values.items())

    monkeypatch.setattr(trackers, "check_installed", lambda names: None)
    monkeypatch.setitem(trackers.MAKERS, "wandb", lambda folder, step: Wandb())
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(Histogram=lambda np_histogram: np_histogram))
    train(config(tmp_path, "vq", steps=1, trackers=("wandb",)), progress=False)
    (_, first, [image]), (_, second, (counts, edges)) = said
    assert (first, image.shape, image.dtype) == ("samples/reconstructions", (64, 256, 3), np.uint8)
    assert second == "samples/codes" and counts.sum() == 64 * min(64, len(few_photos().test))
    assert edges.tolist() == [code - 0.5 for code in range(9)]


def test_samples_that_are_no_pictures_of_that_size_are_refused_at_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(Autoencoder, "samples", lambda self, examples: examples[:, :, ::2])
    with pytest.raises(ValueError, match=r"model\.samples gave \(8, 3, 16, 32\) torch\.uint8, must be \(8, 3, 32, "):
        train(config(tmp_path, "vq"), progress=False)
    (run,) = (tmp_path / "runs").iterdir()
    assert [line["step"] for line in Run(run).log()] == [1]


def test_the_bins_of_a_large_codebook_are_few_and_even(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(trackers, "show_picture", lambda *_: None)
    monkeypatch.setattr(trackers, "show_histogram", lambda tracker, name, codes, edges, step: seen.append(edges))
    train(config(tmp_path, "vq", steps=1, codebook_size=1300), progress=False)
    (edges,) = seen
    assert edges[0] == -0.5 and edges[-1] >= 1299.5 and set(np.diff(edges)) == {3} and len(edges) <= 513
