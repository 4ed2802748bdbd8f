"""Runs whose process is killed while it writes, and that go on as if it had not been."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from same_runs import assert_same
from small_runs import few_photos, kept

from scq import data
from scq.training import resume, train

KILLED_RUN = Path(__file__).parents[1] / "helpers" / "killed_run.py"


@pytest.fixture(autouse=True)
def _few_photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)


def killed(tmp_path, what, moment):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(KILLED_RUN.parents[n]) for n in (2, 0))}
    command = [sys.executable, str(KILLED_RUN), str(tmp_path), what, str(moment)]
    return subprocess.run(command, env=environment, timeout=100, check=False).returncode


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_writes_a_checkpoint_goes_on_bit_for_bit(tmp_path):
    uninterrupted = train(kept(tmp_path, quantizer="vq_ema"), progress=False)
    # Six moments at the start, one for the folder of the checkpoints, the log's and seven of each checkpoint: half of
    # the second one's second file is there.
    assert killed(tmp_path, "vq_ema", 6 + 1 + 8 + 3) == -signal.SIGKILL
    folder = tmp_path / "runs" / "killed"
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"step-00000004", ".step-00000008.partial"}
    assert_same(resume(folder, progress=False), uninterrupted)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", [7, 12, 14, 22, 36])
def test_a_run_that_is_killed_anywhere_and_again_goes_on_bit_for_bit(tmp_path, moment):
    """In its first checkpoint's log and manifest, before its and the next one's renaming, and before the test's."""
    uninterrupted = train(kept(tmp_path, quantizer="vq"), progress=False)
    assert killed(tmp_path, "vq", moment) == -signal.SIGKILL
    assert killed(tmp_path, "resume", 4) == -signal.SIGKILL
    assert_same(resume(tmp_path / "runs" / "killed", progress=False), uninterrupted)
