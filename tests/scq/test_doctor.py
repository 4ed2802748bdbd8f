"""``scq doctor``: what is broken is a line, a wrong answer is found, and the exit code and the last line say it."""

import os
import re
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from rich.console import Console
from strange_backends import anchors

from scq.cli import doctor, main
from scq.cli.apart import Failed, apart
from scq.cli.trying import attempt
from scq.data.cifar10 import ARCHIVE
from scq.extras import versions
from scq.solvers import BackendInfo, Instance, Result, register, unregister
from scq.solvers.methods.relaxed import solve as relaxed
from scq.solvers.registry import get


@pytest.fixture
def with_backends(monkeypatch: pytest.MonkeyPatch):
    """Lets the doctor know some backends alone: all of them are tried by the test of `scq backends`."""

    def choose(*names: str) -> None:
        monkeypatch.setattr(doctor, "backends", lambda: tuple(map(get, names)))

    return choose


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Makes a package that other processes find before the one that is installed."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(name: str, content: str) -> None:
        (folder / f"{name}.py").write_text(content)

    return write


def test_the_screen_has_versions_machine_data_and_backends(with_backends, tmp_path, monkeypatch, capsys):
    with_backends("relaxed")
    home = tmp_path / "somebody"
    (home / "data").mkdir(parents=True)
    (home / "data" / ARCHIVE).touch()
    (home / "data" / "GTSRB_Final.zip").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("SCQ_DATA", str(home / "data"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    screen = " ".join(printed.split())
    assert all(f"{name} {version}" in screen for name, version in versions().items() if version)
    assert "torch 1, OMP_NUM_THREADS 1, OMP_WAIT_POLICY PASSIVE" in screen
    assert re.search(r"kernels 0 compiled, 0\.0 MiB, in ~/\.cache/scq/kernels-\w+, which can be written to", screen)
    assert re.search(r"memory [\d.]+ GiB of [\d.]+ GiB free", screen)
    assert f"data cifar10 ~/data/{ARCHIVE} data gtsrb ~/data/GTSRB_Final.zip" in screen
    assert re.search(r"data photos \S+/skimage/data ", screen)
    assert "somebody" not in screen and "broken" not in screen
    assert re.search(r"relaxed cpu \d\.\de-\d\d \d\.\de-\d\d [\d.]+ promises none", screen)
    assert printed.splitlines()[-1] == "All 1 backends that are installed answer right."
    assert all(len(line) <= 120 for line in printed.splitlines())


def test_packages_that_break_or_kill_are_lines_and_the_others_are_tried(with_backends, package, monkeypatch, capsys):
    package("daqp", "import os\nos.abort()")
    package("clarabel", "raise OSError('libcone.so: cannot open shared object file')")
    package("numba", "raise AttributeError('another NumPy')")
    missing = BackendInfo(
        name="absent", title="-", run="-", exact=False, package="package_that_nobody_has", install="pip install it"
    )
    register(missing)
    try:
        with_backends("daqp", "clarabel", "absent", "relaxed")
        assert main(["doctor"]) == 1
    finally:
        unregister("absent")
    *lines, last = capsys.readouterr().out.splitlines()
    said = " ".join(" ".join(lines).split())
    assert "daqp cpu killed by signal 6" in said
    assert "cannot be imported (OSError: libcone.so: cannot open shared object file)" in said
    assert "absent the package 'package_that_nobody_has' is not installed; run: pip install it" in said
    assert "kernels broken: AttributeError: another NumPy" in said
    assert re.search(r"relaxed cpu \d\.\de", said)
    assert last == "Does not work: daqp, clarabel."


def test_without_a_torch_that_works_the_rest_is_said(with_backends, package, capsys):
    package("torch", "raise OSError('libcudart.so.12: cannot open shared object file')")
    with_backends("relaxed")
    assert main(["doctor"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    said = " ".join(" ".join(lines).split())
    assert "torch broken: OSError: libcudart.so.12: cannot open shared object file" in said
    assert f"torch {versions()['torch']}" in said and "data root" in said and "relaxed not tried" in said
    assert last == "Does not work: torch."


def _entry(run, exact: bool) -> BackendInfo:
    accuracy = {"float32": 1e-5, "float64": 1e-9} if exact else {}
    return BackendInfo(name="wrong", title="-", run=run, exact=exact, accuracy=accuracy, gradient=("native",))


def _twice_the_gradient(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    result = relaxed(problem, tol=tol)
    weights = result.weights
    assert isinstance(weights, torch.Tensor)
    return Result(2 * weights - weights.detach(), result.status, result.iterations)


@pytest.mark.parametrize(
    ("run", "exact", "what"),
    [
        (anchors, True, "its relative KKT residual is "),
        (_twice_the_gradient, False, "its gradient is off by 1.0e+00 of its size"),
    ],
)
def test_a_wrong_answer_is_found_where_nothing_is_raised(run, exact, what):
    register(_entry(run, exact))
    try:
        trial = attempt(get("wrong"))
    finally:
        unregister("wrong")
    assert trial.wrong.startswith(what), trial


def test_work_goes_on_in_a_new_process_after_one_that_died():
    works = [partial(int, "7"), partial(int, "x"), os.abort, partial(os._exit, 3), partial(int, "8")]
    seven, raised, killed, ended, eight = apart(works)
    assert (seven, eight) == (7, 8)
    assert isinstance(raised, Failed) and raised.why.startswith("ValueError: invalid literal")
    assert (killed, ended) == (Failed("killed by signal 6"), Failed("ended its process with code 3"))


def test_work_that_does_not_end_is_given_up():
    assert list(apart([partial(time.sleep, 600)], limit=0.2)) == [Failed("no answer within 0.2 s")]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_screen_fits_the_terminal(width, with_backends, package, capsys):
    package("torch", "raise OSError('libcudart.so.12')")
    with_backends("relaxed", "daqp")
    doctor.examine(Console(width=width, force_terminal=True, color_system=None))
    printed = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", capsys.readouterr().out)  # what moves while it tries
    assert all(len(line) <= width for line in printed.splitlines()) and "…" not in printed
