"""What users bring: entry points of installed packages, and modules that they name."""

import logging
from pathlib import Path

import pytest

from scq.solvers import plugins
from scq.solvers.entries import Registry
from scq.solvers.registry import BackendInfo

ENTRY = """
from scq.solvers import BackendInfo

def solve(problem, *, tol, max_iter=None):
    raise NotImplementedError

ACCURACY = {"float32": 1e-5, "float64": 1e-9}
FOUND = BackendInfo("found", "found", solve, accuracy=ACCURACY)
TAKEN = BackendInfo("ours", "taken", solve, accuracy=ACCURACY)
TEXT = "found"
"""

OURS = BackendInfo("ours", "ours", "nowhere:solve", accuracy={"float32": 1e-5, "float64": 1e-9})


def installed(folder: Path, **points: str) -> None:
    """A package in a folder on the path, with entry points for backends."""
    (folder / "theirs.py").write_text(ENTRY)
    (folder / "theirs_broken.py").write_text("\nraise OSError('libgurobi.so: cannot open')\n")
    (folder / "theirs_ending.py").write_text("raise SystemExit(3)")
    info = folder / "their_solvers-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-solvers\nVersion: 1.2\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[scq.backends]\n{lines}")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "")
    return tmp_path


def registry() -> Registry[BackendInfo]:
    return Registry("backend", BackendInfo, "scq.backends", [OURS])


def test_entries_of_installed_packages_are_found_by_name_and_listed(path: Path) -> None:
    installed(path, found="theirs:FOUND")
    assert registry().get("found").title == "found"
    assert [info.name for info in registry().entries()] == ["ours", "found"]
    assert plugins.packages() == {"their-solvers": "1.2"}


def test_who_asks_for_ours_imports_nothing_of_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "points", lambda group: pytest.fail("looked for others"))
    monkeypatch.setenv(plugins.VARIABLE, "no_such_module")
    assert registry().get("ours") is OURS


def test_what_is_broken_is_named_and_takes_nothing_else_with_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    installed(
        path,
        gurobi="theirs_broken:INFO",
        ending="theirs_ending:INFO",
        text="theirs:TEXT",
        taken="theirs:TAKEN",
        absent="theirs:NOTHING",
        found="theirs:FOUND",
    )
    mine = registry()
    with caplog.at_level(logging.WARNING, "scq"):
        assert mine.entries() == (OURS, mine.get("found"))
    assert set(mine.broken) == {"gurobi", "ending", "text", "taken", "absent"}
    message = r"backend is 'gurobi', which is broken: their-solvers 1\.2 has it in theirs_broken:INFO: OSError: "
    with pytest.raises(ValueError, match=message + r"libgurobi.so: cannot open \(theirs_broken.py, line 2\)"):
        mine.get("gurobi")
    assert "SystemExit: 3" in mine.broken["ending"]
    assert "info is a str, must be a BackendInfo" in mine.broken["text"]
    assert "'ours', which is registered already" in mine.broken["taken"] and mine.get("ours") is OURS
    assert len(caplog.records) == 5  # once each, however often they are asked for
    assert "gurobi of scq.backends is left out: their-solvers 1.2" in caplog.text


def test_a_named_module_of_the_current_folder_registers_what_it_has(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("named_module.py").write_text("imported = True")
    plugins.name_modules(["named_module", "json"])
    plugins.name_modules(["json"])
    assert plugins.named() == ["named_module", "json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"ModuleNotFoundError: No module named 'wrong_module'"),
        ("import json\nx = 1 / 0", r"ZeroDivisionError: division by zero \(wrong_module.py, line 2\)"),
        ("import sys\nsys.exit(2)", r"SystemExit: 2 \(wrong_module.py, line 2\)"),
    ],
)
def test_a_named_module_that_cannot_be_imported_is_refused_every_time(
    content: str | None, said: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (path / "wrong_module.py").write_text(content)
    monkeypatch.setenv(plugins.VARIABLE, "wrong_module")
    mine = registry()
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"import is 'wrong_module' .* which cannot be imported: {said}"):
            mine.entries()


@pytest.mark.parametrize("name", ["a-b", "./module", "module:function", "a..b"])
def test_what_is_no_name_of_a_module_is_refused(name: str, path: Path) -> None:
    with pytest.raises(ValueError, match="must be the name of a module"):
        plugins.name_modules([name])


def test_names_that_could_not_be_asked_for_are_refused() -> None:
    with pytest.raises(ValueError, match="info.name is 'two words', must be a Python identifier"):
        registry().register(type("Info", (BackendInfo,), {"__post_init__": lambda self: None})("two words", "", ""))
