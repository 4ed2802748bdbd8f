"""Folders and files whose names are no UTF-8 text, or no text of the terminal: everything works in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_studies import plan_file
from tiny_runs import TINY, few

from scq import data
from scq.cli import main
from scq.training.run import Run

OPTIONS = [text for name, value in TINY.items() for text in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch, as_a_user: None) -> None:
    monkeypatch.setattr(data, "load", few)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder to be made: é in Latin-1, as on old disks, which is no UTF-8, with what rich would take for markup."""
    return Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 [red]"))


def scq(capfdbinary: pytest.CaptureFixture[bytes], *arguments: object) -> list[bytes]:
    """The lines that a command prints."""
    assert main([str(argument) for argument in arguments]) == 0, capfdbinary.readouterr().err
    return capfdbinary.readouterr().out.splitlines()


def test_a_run_lives_in_such_a_folder(out: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """All trackers that need no account write there too, and the last line is the path, byte by byte."""
    options = [*OPTIONS, "--dump-every", "1"]
    *_, last = scq(capfdbinary, "train", *options, "--out", out, "--name", os.fsdecode(b"r\xfen"))
    run = out / os.fsdecode(b"r\xfen")
    assert last == b"Run: " + os.fsencode(run)
    assert list((run / "tensorboard").glob("events*"))
    assert len(list((run / "problems").iterdir())) == 2
    assert Run(run).config.out == out
    *_, last = scq(capfdbinary, "train", "--resume", run)
    assert last == b"Run: " + os.fsencode(run)
    (run / "test.json").unlink()
    scq(capfdbinary, "train", "--resume", run)
    assert (run / "test.json").is_file()


@pytest.mark.slow
def test_the_backends_are_compared_on_what_lies_there(
    out: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    scq(capfdbinary, "train", *OPTIONS, "--dump-every", "1", "--no-gap", "--out", out, "--name", "run")
    some = ["--families", "--backends", "relaxed", "--repeats", "1", "--dtypes", "float64"]
    for latents in (out / "run", out / "run" / "problems"):
        *_, last = scq(capfdbinary, "compare", *some, "--latents", latents, "--out", out)
        assert b"failed" not in last and b" ok" in last
    scq(capfdbinary, "compare", "--resume", out / "compare")


def test_paired_runs_and_their_report_live_there(
    out: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is in the page too, with the path."""
    scq(capfdbinary, "gap", *OPTIONS, "--methods", "exact", "relaxed", "--out", out)
    results = out / "gap" / "results.json"
    results.write_text(results.read_text().replace('"state": "done"', '"state": "failed", "error": "at \\udce9"', 1))
    # Drawing takes seconds and is tested with the report.
    monkeypatch.setattr("scq.validation.page.reporting.render", lambda *_, **values: str(values["missing"]))
    monkeypatch.setattr("scq.validation.page.reporting.draw_all", lambda *_: {})
    *_, last = scq(capfdbinary, "report", out / "gap")
    assert last == b"Report: " + os.fsencode(out / "gap" / "report" / "index.html")
    assert r"at \udce9" in (out / "gap" / "report" / "index.html").read_text()


def test_a_study_and_its_plan_live_there(out: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    out.mkdir()
    plan = Path(plan_file(out, tuning=None, stress=None)).rename(out / os.fsdecode(b"pl\xe4n.toml"))
    scq(capfdbinary, "study", "--plan", plan, "--jobs", "1", "--device", "cpu", "--out", out)
    folder = out / os.fsdecode(b"pl\xe4n")
    assert (folder / "study.md").read_text().count("| vq |") >= 1
    scq(capfdbinary, "study", "--resume", folder, "--jobs", "1")


@pytest.mark.parametrize("command", [["gap", "--resume"], ["train", "--resume"], ["study", "--resume"], ["report"]])
def test_what_is_not_there_is_refused_in_one_line(
    command: list[str], out: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main([*command, str(out)]) == 2
    said = capfdbinary.readouterr().err
    assert said.count(b"\n") == 1 and os.fsencode(out) in said
    assert not out.exists()


NAME = b"caf\xe9 \xc3\xa9"
"""A byte that is no text, and a character."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, NAME),
        ({"PYTHONIOENCODING": "ascii"}, b"caf\xe9 \\xe9"),  # what the encoding lacks is escaped
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, NAME),
    ],
    ids=["as it is", "ascii", "C"],
)
def test_it_works_in_every_locale(variables: dict[str, str], said: bytes, tmp_path: Path) -> None:
    place = os.fsencode(tmp_path) + b"/"
    command = [sys.executable, "-m", "scq", "train", *OPTIONS, "--quantizer", "vq", "--out", place + NAME]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    done = subprocess.run(command, env=environment, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == b"Run: " + place + said + b"/photos-vq"
    assert (tmp_path / os.fsdecode(NAME) / "photos-vq" / "test.json").is_file()
