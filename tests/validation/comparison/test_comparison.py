"""Comparisons end to end, in real processes, and what their watcher does when these misbehave."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import strange_backends

from scq import solvers
from scq.solvers.registry import BackendInfo
from scq.validation import CompareConfig, compare
from scq.validation.comparison import process
from scq.validation.comparison.measuring.families import ProblemSpec
from scq.validation.comparison.plan import PlannedRow
from scq.validation.comparison.rows import Outcome

TINY = {"families": ("hull",), "sizes": ((16, 4, 12),), "dtypes": ("float64",), "repeats": 1}
SPEC = ProblemSpec("hull", 4, 3, 6, "float64", 0.1, 0)


@pytest.fixture
def strange() -> None:
    """Registers misbehaving backends for the length of a test."""
    entries = [
        BackendInfo("crash", "aborts", strange_backends.crash, exact=False),
        BackendInfo(
            "absent", "is not there", "nowhere:solve", exact=False, package="nowhere", install="pip install it"
        ),
    ]
    for entry in entries:
        solvers.register(entry)
    yield
    for entry in entries:
        solvers.unregister(entry.name)


@pytest.mark.slow
@pytest.mark.usefixtures("strange")
def test_every_backend_gets_a_row_whatever_happens_to_it(tmp_path: Path) -> None:
    config = CompareConfig(("crash", "absent", "interior_point"), out=tmp_path, **TINY)
    result = compare(config, progress=False)
    crash, absent, exact = result.rows
    assert crash.outcome == Outcome.FAILED
    assert "signal 6" in crash.note
    assert absent.outcome == Outcome.MISSING
    assert "pip install it" in absent.note
    assert exact.outcome == Outcome.OK
    assert exact.weights_error_max is not None
    assert exact.weights_error_max < 1e-10
    assert exact.memory is not None

    written = json.loads((result.folder / "compare.json").read_text())
    assert [row["backend"] for row in written["rows"]] == ["crash", "absent", "interior_point"]
    assert written["rows"][2]["kkt_max"] == exact.kkt_max
    with (result.folder / "compare.csv").open() as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["failed", "missing", "ok"]
    assert "pip install it" in (result.folder / "compare.md").read_text()
    page = (result.folder / "compare.html").read_text()
    assert "pip install it" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_a_second_comparison_leaves_the_first_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scq.validation.comparison.comparing.measure", lambda *_: {"outcome": Outcome.OK})
    first = compare(CompareConfig(("relaxed",), out=tmp_path, **TINY), progress=False)
    second = compare(CompareConfig(("relaxed",), out=tmp_path, **TINY), progress=False)
    assert (first.folder.name, second.folder.name) == ("compare", "compare-2")


def test_a_killed_comparison_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(cell: PlannedRow, *_: object) -> dict[str, Outcome]:
        if cell.info.name == "relaxed":
            raise KeyboardInterrupt
        return {"outcome": Outcome.OK}

    monkeypatch.setattr("scq.validation.comparison.comparing.measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(CompareConfig(("interior_point", "relaxed"), out=tmp_path, **TINY), progress=False)
    rows = json.loads((tmp_path / "compare" / "compare.json").read_text())["rows"]
    assert [row["backend"] for row in rows] == ["interior_point"]


def test_peers_solve_few_columns_and_ours_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scq.validation.comparison.comparing.measure", lambda *_: {"outcome": Outcome.OK})
    peer = solvers.register(BackendInfo("peer", "", "json:loads", exact=False, package="json"))
    try:
        config = CompareConfig(("relaxed", "peer"), peer_columns=3, out=tmp_path, **TINY)
        ours, theirs = compare(config, progress=False).rows
    finally:
        solvers.unregister(peer.name)
    assert (ours.columns, theirs.columns) == (16, 3)


def test_a_cell_over_its_time_limit_is_killed() -> None:
    hang = BackendInfo("hang", "", strange_backends.hang, exact=False)
    fields = process.measure(PlannedRow(hang, "", "", SPEC), 1, time_limit=1.0)
    assert fields["outcome"] == Outcome.TIME_LIMIT
    assert "killed after 1 s" in fields["note"]


def test_what_was_measured_before_the_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(command: list[str], *_: object) -> None:
        Path(command[-1]).write_text('{"doing": "the timing", "memory": 7}\n{"forward": 1')

    monkeypatch.setattr(process, "_run", slow)
    fields = process.measure(PlannedRow(solvers.registry.get("relaxed"), "", "", SPEC), 1, 60.0)
    assert fields == {"memory": 7, "outcome": Outcome.TIME_LIMIT, "note": "killed after 60 s, during the timing"}


def test_an_exception_that_nobody_catches_is_the_reason() -> None:
    leave = BackendInfo("leave", "", strange_backends.leave, exact=False)
    fields = process.measure(PlannedRow(leave, "", "", SPEC), 1, 60.0)
    assert fields["outcome"] == Outcome.FAILED
    assert "nobody catches me" in fields["note"]


def test_a_backend_without_an_importable_name_is_explained() -> None:
    local = BackendInfo("local", "", lambda *_: None, exact=False)
    fields = process.measure(PlannedRow(local, "", "", SPEC), 1, 60.0)
    assert fields["outcome"] == Outcome.FAILED
    assert "cannot import" in fields["note"]


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backends": ("simplex",)}, "backend is 'simplex', must be one of: "),
        ({"families": ("banana",)}, "families has 'banana', must be among: random, hull"),
        ({"families": ()}, "families is empty"),
        ({"dtypes": ("float16",)}, "dtypes has 'float16'"),
        ({"sizes": ((8, 0, 4),)}, "sizes is"),
        ({"sizes": ()}, "sizes is"),
        ({"lam": 0.0}, "lam is 0.0"),
        ({"time_limit": -1.0}, "time_limit is -1.0"),
        ({"repeats": 0}, "repeats is 0"),
        ({"name": "a/b"}, "name is 'a/b'"),
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        CompareConfig(**wrong)


def test_missing_latents_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="latents is .*nowhere"):
        compare(CompareConfig(latents=tmp_path / "nowhere", out=tmp_path), progress=False)
    assert not list(tmp_path.iterdir())


def test_configurations_import_no_torch() -> None:
    code = (
        "import sys, validation; validation.CompareConfig(), validation.GapConfig(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
