"""One process at a time in a run's folder."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest
import torch
from small_runs import config, few_photos, kept

from scq import data
from scq.data.batching import Batches
from scq.training import claiming, lock, loop, resume, train
from scq.training.folder import new_folder
from scq.training.lock import LOCK, held
from scq.training.run import Run
from scq.training.terminal import say
from scq.validation.common.attempts import attempt

HOLD = "import sys, time\nfrom pathlib import Path\nfrom scq.training.lock import held\nwith held(Path(sys.argv[1])):\n"


@pytest.fixture
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)


def holder(folder):
    """Another process that has the folder."""
    code = f"{HOLD}    print(flush=True)\n    time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_folder_that_another_process_has_is_refused_and_one_of_a_dead_process_is_not(tmp_path):
    process = holder(tmp_path)
    try:
        with pytest.raises(
            ValueError, match=rf"'{tmp_path}', which another process works in \(process {process.pid} on"
        ):
            held(tmp_path).__enter__()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (tmp_path / LOCK).exists()
    with held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_link_in_place_of_the_lock_is_not_written_through(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("dear")
    folder = new_folder(tmp_path, "run")
    (folder / LOCK).symlink_to(precious)
    with pytest.raises(ValueError, match="which cannot be written to"):
        held(folder).__enter__()
    assert precious.read_text() == "dear"


def test_a_file_system_without_locks_is_said_and_does_not_hinder(tmp_path, monkeypatch):
    def no_locks(file):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_lock", no_locks)
    with pytest.warns(UserWarning, match=f"the file system of '{tmp_path}' has no locks"), held(tmp_path):
        pass


def test_who_takes_the_lock_while_it_is_being_given_back_has_it_alone(tmp_path, monkeypatch):
    """Between opening the file and locking it, another process may have removed it: that file locks nothing."""
    locked, times = lock._lock, []

    def removed_meanwhile(file):
        times.append(file)
        if len(times) == 1:
            (tmp_path / LOCK).unlink()
        locked(file)

    monkeypatch.setattr(lock, "_lock", removed_meanwhile)
    with held(tmp_path):
        assert len(times) == 2
        with pytest.raises(ValueError, match="another process works in"):
            held(tmp_path).__enter__()


@pytest.mark.usefixtures("photos")
def test_a_run_that_goes_on_is_not_gone_on_with_by_another(tmp_path, monkeypatch):
    """Of two, the second is refused and the first loses nothing of its log."""
    following, asked = Batches.__next__, []

    def at_the_tenth(self):
        asked.append(None)
        if len(asked) == 10:
            with pytest.raises(ValueError, match="which another process works in"):
                resume(tmp_path / "runs" / "photos-vq", progress=False)
            refused = attempt(kept(tmp_path, quantizer="none", name="photos-vq"), False, say)
            assert "another process works in" in refused["error"]
        return following(self)

    monkeypatch.setattr(Batches, "__next__", at_the_tenth)
    run = train(kept(tmp_path, quantizer="vq"), progress=False)
    assert len(asked) >= 10
    assert [line["step"] for line in Run(run.folder).log()] == [1, 2, 4, 6, 8, 10, 12, 14]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["photos-vq"]


@pytest.mark.usefixtures("photos")
def test_a_run_that_was_finished_while_another_process_got_ready_is_not_begun_again(tmp_path, monkeypatch):
    """It has no checkpoint any more, from which it would go on."""
    whole = train(config(tmp_path, quantizer="vq", gap=False), progress=False).folder
    aside = shutil.move(whole / "test.json", tmp_path / "test.json")
    build = loop.build_model

    def slowly(settings):
        shutil.move(aside, whole / "test.json")
        return build(settings)

    monkeypatch.setattr(loop, "build_model", slowly)
    before = (whole / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match="which another process has finished meanwhile"):
        resume(whole, progress=False)
    assert (whole / "metrics.jsonl").read_bytes() == before


@pytest.mark.usefixtures("photos")
def test_what_the_first_of_several_processes_refuses_all_refuse(tmp_path, monkeypatch):
    """None is left waiting for an answer; here the answer of the first comes to the second by way of a list."""
    sent = []

    def first_claims():
        raise ValueError("folder is 'r\udcff', which is taken")

    monkeypatch.setattr(claiming.processes, "gathered", lambda mine: sent.append(mine) or mine)
    with pytest.raises(ValueError, match="which is taken"):
        claiming.of_the_first(first_claims, True, torch.device("cpu"))
    monkeypatch.setattr(claiming.processes, "gathered", lambda mine: torch.cat([sent[0], mine]))
    with pytest.raises(ValueError, match="folder is 'r\udcff', which is taken"):
        claiming.of_the_first(first_claims, False, torch.device("cpu"))


def test_new_folders_that_are_made_at_the_same_time_are_different(tmp_path):
    made, start = [], threading.Barrier(8)

    def make():
        start.wait()
        made.append(new_folder(tmp_path, "run"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8
