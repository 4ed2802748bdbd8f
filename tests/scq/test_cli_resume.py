"""Going on from the command line: no setting is repeated, and other ones are refused, whatever the command."""

import json
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_studies import plan_file
from tiny_runs import TINY, few

from scq import data
from scq.cli import main
from scq.data.batching import Batches
from scq.training.lock import held
from scq.validation import demonstration
from scq.validation.comparison import comparing
from scq.validation.comparison.rows import Outcome

OPTIONS = [text for name, value in TINY.items() for text in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, as_a_user: None) -> None:
    monkeypatch.setattr(data, "load", few)
    monkeypatch.setattr(comparing, "measure", lambda *_: {"outcome": Outcome.OK})
    monkeypatch.setattr(demonstration, "report", lambda folder, progress: folder / "report" / "index.html")
    monkeypatch.setattr(demonstration, "headline", lambda record: "")
    for quick in (False, True):
        monkeypatch.setitem(demonstration._TRAINING, quick, TINY | {"seed": int(quick)})


@pytest.fixture
def _listens() -> Iterator[None]:
    """Ctrl-C as in a terminal: tests that a shell starts in the background are told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def study_options(tmp_path: Path) -> list[str]:
    """A plan with a short version, away from where it is resumed."""
    quick = {"train": {"seed": 3}}
    path = plan_file(tmp_path, tuning=None, stress=None, quick=quick)
    return ["--plan", path, "--quick", "--jobs", "1", "--device", "cpu"]


COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "gap": lambda tmp_path: [*OPTIONS, "--methods", "none", "vq", "--device", "cpu"],
    "study": study_options,
    "demo": lambda tmp_path: ["--quick"],
    "compare": lambda tmp_path: ["--backends", "relaxed", "interior_point", "--lam", "0.2", "--sizes", "16", "4", "12"],
}


def begun(command: str, tmp_path: Path) -> Path:
    assert main([command, *COMMANDS[command](tmp_path), "--out", str(tmp_path), "--name", "it"]) == 0
    return tmp_path / "it"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("metrics.jsonl")}


@pytest.mark.usefixtures("_listens")
@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_says_the_command_that_goes_on_with_all_of_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that command, as it stands there, does."""
    following = Batches.__next__

    def interrupted(self: Batches) -> object:
        signal.raise_signal(signal.SIGINT)
        return following(self)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "__next__", interrupted)
        patch.setattr(comparing, "measure", lambda *_: signal.raise_signal(signal.SIGINT))
        assert main([command, *COMMANDS[command](tmp_path), "--out", str(tmp_path), "--name", "it"]) == 130
    said = [line for line in capsys.readouterr().out.splitlines() if "--resume" in line]
    again = f"scq {command} --resume {tmp_path / 'it'}"
    assert len(said) == 1 and said[0].startswith("Interrupted; ") and said[0].endswith(f"to go on from there: {again}")
    here = ["--jobs", "1"] if command == "study" else []  # otherwise in processes, which read the real pictures
    assert main([*shlex.split(again)[1:], *here]) == 0
    capsys.readouterr()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["it"]


@pytest.mark.parametrize(
    ("command", "other"),
    [
        ("gap", ["--batch-size", "8"]),
        ("gap", ["--name", "other"]),
        ("study", ["--no-quick"]),
        ("study", ["--plan", "quantizers"]),
        ("study", ["--out", "elsewhere"]),
        ("demo", ["--no-quick"]),
        ("demo", ["--out", "elsewhere"]),
        ("compare", ["--lam", "0.1"]),
        ("compare", ["--repeats", "7"]),
        ("compare", ["--name", "other"]),
        ("compare", ["--backends", "relaxed"]),
    ],
)
def test_other_settings_are_refused_by_name(
    command: str, other: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(command, tmp_path)
    before = files(folder)
    capsys.readouterr()
    assert main([command, "--resume", str(folder), *other]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"resume is '{folder}'" in said
    name = other[0].removeprefix("--no-").removeprefix("--").replace("-", "_")
    assert name in said or ((command, name) == ("compare", "backends") and "interior_point" in said)
    assert files(folder) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_settings_may_be_repeated(command: str, tmp_path: Path) -> None:
    folder = begun(command, tmp_path)
    again = [command, *COMMANDS[command](tmp_path), "--out", str(tmp_path), "--name", "it", "--resume", str(folder)]
    assert main(again) == 0


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("gap", ["--methods", "none", "vq", "relaxed"]),
        ("gap", ["--device", "auto"]),
        ("study", ["--device", "auto", "--minutes", "5", "--jobs", "1"]),
        ("compare", ["--backends", "relaxed", "interior_point", "active_set", "--time-limit", "90"]),
    ],
)
def test_what_may_change_is_taken_and_kept_for_the_next_time(
    command: str, changed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(command, tmp_path)
    assert main([command, "--resume", str(folder), *changed]) == 0
    assert main([command, "--resume", str(folder)]) == 0
    if changed[0] == "--methods":
        assert set(json.loads((folder / "results.json").read_text())["methods"]) == {"none", "vq", "relaxed"}
    if changed[0] == "--device":
        kept = json.loads((folder / "settings.json").read_text())["settings"]
        assert (kept if command == "study" else kept["train"])["device"] == "auto"
        assert "minutes" not in kept


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_another_process_works_in_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(command, tmp_path)
    capsys.readouterr()
    with held(folder):
        assert main([command, "--resume", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"'{folder}', which another process works in" in said


def test_a_folder_of_another_command_is_refused_with_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun("demo", tmp_path)
    (tmp_path / "empty").mkdir()
    for command in ("gap", "study"):
        assert main([command, "--resume", str(folder)]) == 2
        assert f"which demo made, must be gone on with by: scq demo --resume {folder}" in capsys.readouterr().err
    for command in ("train", "gap", "study", "demo", "compare"):
        assert main([command, "--resume", str(tmp_path / "empty")]) == 2
        assert "must be the folder of " in capsys.readouterr().err
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.slow
def test_a_demonstration_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begun("demo", tmp_path)
    before = files(folder)
    shutil.rmtree(folder / "vq")
    measured: list[str] = []
    monkeypatch.setattr(comparing, "measure", lambda cell, *_: measured.append(cell.info.name) or {"outcome": "ok"})
    assert main(["demo", "--resume", str(folder)]) == 0
    after = files(folder)
    assert after.keys() == before.keys()
    assert all(after[path] == content for path, content in before.items() if "/vq/" not in path)
    assert not measured


def test_a_study_goes_on_without_the_file_of_its_plan(tmp_path: Path) -> None:
    folder = begun("study", tmp_path)
    (tmp_path / "small.toml").unlink()
    shutil.rmtree(folder / "final")
    assert main(["study", "--resume", str(folder), "--jobs", "1"]) == 0
    (run, _) = sorted((folder / "final").iterdir())
    assert json.loads((run / "config.json").read_text())["seed"] == 4


def test_paired_runs_of_an_earlier_version_go_on_with_settings_that_are_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun("gap", tmp_path)
    (folder / "settings.json").unlink()
    assert main(["gap", "--resume", str(folder)]) == 2
    assert "ran with codebook_size 8, must be 128" in capsys.readouterr().err
    assert main(["gap", "--resume", str(folder), *COMMANDS["gap"](tmp_path)]) == 0
