"""Runs that were stopped, and go on as if they had not been."""

import errno
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save
from same_runs import assert_same
from small_runs import few_photos, kept
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from scq import data
from scq.data.batching import Batches
from scq.quantizers import quantizer
from scq.training import checkpoint, load_run, resume, train
from scq.training.checkpoint import Checkpoints
from scq.training.folder import new_folder
from scq.training.log import MetricLog
from scq.training.run import Run
from scq.training.state import TrainingState


@pytest.fixture(autouse=True, scope="module")
def photos():
    few = few_photos()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda name, root=None, **settings: few)
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run of vq that nothing happened to."""
    return train(kept(tmp_path_factory.mktemp("whole"), quantizer="vq"), progress=False)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder of one that ended in step 11."""
    config = kept(tmp_path_factory.mktemp("left"), quantizer="vq", name="stopped", trackers=("tensorboard",))
    with pytest.MonkeyPatch.context() as patch:
        return stopped(patch, config, step=11)


@pytest.fixture
def folder(left, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(left, tmp_path / "stopped"))


def at_batch(monkeypatch, number, do):
    """Lets something happen when that batch is asked for; the first one is that of the calibration."""
    following, asked = Batches.__next__, []

    def recorded(self):
        asked.append(None)
        if len(asked) == number:
            do()
        return following(self)

    monkeypatch.setattr(Batches, "__next__", recorded)


def stopped(monkeypatch, config, step, error=None):
    """A run that ends in an error in that step."""

    def fail():
        raise error or RuntimeError("stopped")

    with monkeypatch.context() as patch:
        at_batch(patch, step + 1, fail)
        with pytest.raises(type(error) if error else RuntimeError):
            train(config, progress=False)
    return config.out / config.name


@pytest.mark.parametrize("quantizer", ["scq", "vq_ema", "gumbel"])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, monkeypatch, quantizer):
    """Gumbel draws noise, vq_ema has averages and draws; both would show lost states of random numbers and buffers."""
    uninterrupted = train(kept(tmp_path, quantizer=quantizer), progress=False)
    torch.manual_seed(1)  # what other programs drew before does not matter
    folder = stopped(monkeypatch, kept(tmp_path, quantizer=quantizer, name="stopped"), step=11)
    assert Checkpoints(folder).steps() == [8, 4]
    torch.manual_seed(2)
    assert_same(resume(folder, progress=False), uninterrupted)
    assert not (folder / "checkpoints").exists()


def test_a_run_goes_on_from_its_start_when_it_had_no_checkpoint_yet(tmp_path, monkeypatch, uninterrupted):
    folder = stopped(monkeypatch, kept(tmp_path, quantizer="vq", name="stopped"), step=3)
    assert [line["step"] for line in Run(folder).log()] == [1, 2]
    assert_same(resume(folder, progress=False), uninterrupted)


def test_the_log_of_a_resumed_run_has_each_step_once_and_its_clock_goes_on(folder):
    assert Run(folder).log()[-1]["step"] == 10
    history = resume(folder, progress=False).history
    steps = [1, 2, 4, 6, 8, 10, 12, 14]
    assert [line["step"] for line in history] == steps
    elapsed = [line["time/elapsed"] for line in history]
    assert elapsed == sorted(elapsed)
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == steps


def test_a_finished_run_is_left_as_it_is(uninterrupted, capsys):
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.folder.iterdir()}
    again = resume(uninterrupted.folder, progress=False)
    assert "has finished before" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in uninterrupted.folder.iterdir()} == before
    assert_same(again, uninterrupted)


@pytest.fixture
def _listens():
    """Ctrl-C as in a terminal: tests that a shell starts in the background are told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listens")
def test_ctrl_c_ends_the_step_and_saves_it(tmp_path, monkeypatch, capsys, uninterrupted):
    with monkeypatch.context() as patch:
        at_batch(patch, 1 + 6, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(kept(tmp_path, quantizer="vq", name="stopped"), progress=False)
    folder = tmp_path / "runs" / "stopped"
    assert f"saved up to step 6; to go on from there: scq train --resume {folder}" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert Checkpoints(folder).steps() == [6, 4]
    assert load_run(folder)[1].training is False
    assert_same(resume(folder, progress=False), uninterrupted)


@pytest.mark.usefixtures("_listens")
def test_a_second_ctrl_c_does_not_wait(tmp_path, monkeypatch):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    at_batch(monkeypatch, 1 + 6, twice)
    with pytest.raises(KeyboardInterrupt):
        train(kept(tmp_path, quantizer="vq", name="stopped"), progress=False)
    assert Checkpoints(tmp_path / "runs" / "stopped").steps() == [4]


@pytest.mark.parametrize("file", ["model.safetensors", "training.safetensors", "training.json", "manifest.json"])
def test_a_damaged_checkpoint_is_known(folder, file):
    path = folder / "checkpoints" / "step-00000008" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found, damaged = Checkpoints(folder).newest()
    assert found.step == 4 and len(damaged) == 1 and "step-00000008" in str(damaged[0])


def test_a_damaged_checkpoint_is_left_out_for_the_one_before(folder, uninterrupted, capsys):
    (folder / "checkpoints" / "step-00000008" / "training.json").unlink()
    result = resume(folder, progress=False)
    assert "Left out: " in (said := capsys.readouterr().out) and "step-00000008" in said
    assert_same(result, uninterrupted)


def test_a_full_disk_is_reported_at_its_step_and_the_last_checkpoint_stays(tmp_path, monkeypatch, uninterrupted):
    write, folder = Checkpoints.write, tmp_path / "runs" / "stopped"

    def full(self, step, files):
        if step < 8:
            return write(self, step, files)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
            return write(self, step, files)

    monkeypatch.setattr(Checkpoints, "write", full)
    with pytest.raises(OSError, match=r"step 8 could not be written .*No space left; saved up to step 4; .* --resume"):
        train(kept(tmp_path, quantizer="vq", name="stopped"), progress=False)
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-00000004"]
    monkeypatch.setattr(Checkpoints, "write", write)
    assert_same(resume(folder, progress=False), uninterrupted)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no file here that is always full")
def test_a_log_that_cannot_be_written_says_at_which_step(tmp_path):
    """Closing the file tries once more, and must not replace the error that has the step."""
    folder = new_folder(tmp_path, "run")

    def log_on_a_full_disk():
        with MetricLog(folder) as log, Run(folder).writing(7):
            log._lines.close()
            log._lines = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", buffering=1)
            log.write(7, {"train/loss": 1.0})

    with pytest.raises(OSError, match=r"step 7 could not be written .*No space left on device; saved up to step 0"):
        log_on_a_full_disk()


def test_ctrl_c_before_a_run_goes_on_writes_no_untrained_weights(folder, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingState, "restore", interrupt)
    with pytest.raises(KeyboardInterrupt):
        resume(folder, progress=False)
    assert not (folder / "model.safetensors").exists()


def test_a_run_of_a_cpu_is_not_resumed_on_a_gpu(folder):
    """Whether there is one does not matter: it is refused before anything is asked of it."""
    model = torch.nn.Linear(1, 1)
    batches = data.batches(few_photos().train, 4, torch.Generator())
    state = TrainingState(model, [torch.optim.Adam(model.parameters())], batches, None, torch.device("cuda"))
    with pytest.raises(ValueError, match="the run was trained on a CPU, must be resumed on one, not on cuda"):
        state.load(Checkpoints(folder).read(8))


@pytest.mark.parametrize("name", ["../../metrics.jsonl", "/dev/zero", "checkpoints"])
def test_a_manifest_that_names_other_files_is_refused(folder, name):
    path = folder / "checkpoints" / "step-00000008" / "manifest.json"
    path.write_text(json.dumps({"step": 8, "files": {name: {"size": 0, "sha256": ""}}}))
    with pytest.raises(checkpoint.DamagedError, match="has no file"):
        Checkpoints(folder).read(8)


def test_a_resumed_run_needs_room_for_the_checkpoints_that_it_lacks(folder, monkeypatch):
    model = torch.nn.Linear(1000, 1)
    needed = 3 * sum(value.nbytes for value in model.state_dict().values())
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda path: type("Usage", (), {"free": needed}))
    Checkpoints(folder).check_space(model)
    with pytest.raises(ValueError, match="free, must have"):
        Checkpoints(folder.parent / "new").check_space(model)


def test_too_little_room_is_reported_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(ValueError, match=r"out is on the disk of '.*', which has 0.0 MB free, must have 0.1 MB"):
        train(kept(tmp_path, quantizer="vq"), progress=False)
    assert not (tmp_path / "runs").exists()


def test_as_many_processes_must_go_on_as_there_were(folder):
    files = Checkpoints(folder).read(8).files
    files["training.json"] = files["training.json"].replace(b'"processes": 1', b'"processes": 2')
    Checkpoints(folder).write(8, files)
    with pytest.raises(ValueError, match="the run was trained by 2 processes, must be resumed by as many, not by 1"):
        resume(folder, progress=False)


def test_settings_of_another_model_do_not_go_with_a_checkpoint(folder):
    settings = folder / "config.json"
    settings.write_text(settings.read_text().replace('"codebook_size": 8', '"codebook_size": 4'))
    with pytest.raises(ValueError, match=r"the checkpoint of step 8 is of another model than that of config.json: "):
        resume(folder, progress=False)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must be the folder of a run \(it has no config.json\)"):
        resume(tmp_path)


def test_what_a_killed_write_left_is_cleared_away(folder):
    (folder / "checkpoints" / ".step-00000012.partial").mkdir()
    Checkpoints(folder).discard(after=4)
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-00000004"]


def test_the_weights_of_a_checkpoint_are_a_file_as_that_of_a_finished_run(folder, uninterrupted):
    weights = load_file(folder / "checkpoints" / "step-00000008" / "model.safetensors")
    assert weights.keys() == uninterrupted.model.state_dict().keys()


def test_a_log_from_before_its_numbers_were_renamed_is_read_by_the_names_of_now(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "quantizer/gap": 0.5, "gap/weights_l1": 1.0}\n')
    assert Run(tmp_path).log() == [{"step": 1, "quantizer/duality_gap": 0.5, "gap/weights_l1": 1.0}]


def _earlier(content: bytes) -> bytes:
    now = {"embedding.codewords": "codebook", "embedding.initialized": "codebook_initialized"}
    now |= {"assignment.lam": "lam", "embedding.coordinates": "coordinates", "embedding.basis": "basis"}
    tensors = load(content)
    for name, before in now.items():
        tensors = {key.replace(f"quantizer.{name}", f"quantizer.{before}"): value for key, value in tensors.items()}
    return save(tensors)


@pytest.mark.parametrize("name", ["scq_annealed", "simvq_joint"])
def test_a_checkpoint_from_before_codebooks_were_modules_goes_on_with_its_optimizer(name):
    def state():
        torch.manual_seed(0)
        model = nn.ModuleDict({"quantizer": quantizer(name, 8, 4)})
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        batches = data.batches(few_photos().train, 4, torch.Generator().manual_seed(0))
        return model, optimizer, TrainingState(model, [optimizer], batches, None, torch.device("cpu"))

    def step(model, optimizer):
        output = model["quantizer"](torch.randn(20, 4))
        (output.quantized.square().sum() + output.loss).backward()
        optimizer.step()
        optimizer.zero_grad()

    model, optimizer, before = state()
    step(model, optimizer)
    files = {
        key: _earlier(content) if key.endswith("safetensors") else content for key, content in before.files().items()
    }
    assert not any("embedding" in key for content in list(files.values())[:2] for key in load(content))
    other, again, after = state()
    after.load(checkpoint.Checkpoint(1, files))
    for one, with_optimizer in ((model, optimizer), (other, again)):
        torch.manual_seed(1)
        step(one, with_optimizer)
    for key, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key


def test_what_an_optimizer_knows_of_no_parameter_is_refused():
    model = nn.ModuleDict({"quantizer": quantizer("vq", 8, 4)})
    batches = data.batches(few_photos().train, 4, torch.Generator())
    state = TrainingState(model, [torch.optim.Adam(model.parameters())], batches, None, torch.device("cpu"))
    files = state.files()
    files["training.safetensors"] = save(load(files["training.safetensors"]) | {"optimizer.else.step": torch.ones(())})
    with pytest.raises(ValueError, match=r"optimizer's state of \['else'\], which the model has not"):
        state.load(checkpoint.Checkpoint(1, files))
