"""Workers of a study: on this machine and through Ray, and what becomes of those that die."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from scq.validation.studies.engines import workers
from scq.validation.studies.engines.local import Here, Processes, usable


def double(number: int) -> int:
    return 2 * number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_one_job_is_this_process() -> None:
    with workers("local", 1, "cpu") as hands:
        assert isinstance(hands, Here) and hands.width == 1
        assert hands.submit(double, 4).result() == 8
    assert usable("cpu") >= 1


@pytest.mark.slow
def test_a_worker_that_dies_takes_no_other_work_with_it() -> None:
    with workers("local", 2, "cpu") as hands:
        assert isinstance(hands, Processes) and hands.width == 2
        dead, alive = hands.submit(die, 1), hands.submit(double, 2)
        assert alive.result(60) == 4
        assert isinstance(dead.exception(60), BrokenProcessPool)
        again = [hands.submit(double, 3), hands.submit(double, 4)]
        assert [future.result(60) for future in again] == [6, 8]


@pytest.mark.slow
def test_the_workers_of_a_killed_study_end_with_it(tmp_path: Path) -> None:
    plan = tmp_path / "long.toml"
    plan.write_text(
        'title = "Long"\ndatasets = ["photos"]\nseeds = 2\n'
        "[train]\nsteps = 100000\nwidth = 8\nbatch_size = 4\ngap = false\n[arms]\nnone = {}\n"
    )
    command = [sys.executable, "-m", "scq", "study", "--plan", str(plan), "--jobs", "2", "--out", str(tmp_path)]
    study = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("long/final/*/metrics.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    children = psutil.Process(study.pid).children(recursive=True)
    assert len(children) >= 2
    study.kill()
    study.wait()
    _, left = psutil.wait_procs(children, timeout=10)
    assert left == []


@pytest.mark.slow
@pytest.mark.timeout(400)  # starting Ray's processes is the most of it: half a minute, or minutes on a busy machine
def test_ray_gives_the_same_and_reports_a_worker_that_dies() -> None:
    pytest.importorskip("ray")
    # In a process of its own: Ray's threads and warnings are none of the other tests' business.
    done = subprocess.run([sys.executable, "-c", _RAY], capture_output=True, text=True, timeout=380)
    assert done.returncode == 0, done.stderr
    # Ray itself says more, of the worker that died.
    said = done.stdout.splitlines()
    assert said[:2] == ["2", "[0, 2, 4, 6]"] and "True" in said


_RAY = """
import os, signal
from concurrent.futures import wait
from scq.validation.studies.engines import workers

def double(number):
    return 2 * number

def die(number):
    os.kill(os.getpid(), signal.SIGKILL)

with workers("ray", 2, "cpu") as hands:
    print(hands.width)
    print([future.result(150) for future in [hands.submit(double, n) for n in range(4)]])
    print(isinstance(hands.submit(die, 1).exception(150), Exception))
"""
