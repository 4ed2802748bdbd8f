"""A comparison that was killed and is gone on with."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from scq.validation import CompareConfig, compare
from scq.validation.comparison.plan import PlannedRow
from scq.validation.comparison.rows import Outcome
from scq.validation.paired.record import read_record

CONFIG = CompareConfig(
    ("interior_point", "relaxed"), families=("hull",), sizes=((16, 4, 12),), dtypes=("float64",), repeats=1
)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backends that were measured, in place of measuring them."""
    names: list[str] = []

    def measure(cell: PlannedRow, *_: object) -> dict[str, Any]:
        if cell.info.name == "daqp":
            raise KeyboardInterrupt
        names.append(cell.info.name)
        return {"outcome": Outcome.FAILED if cell.info.name == "clarabel" else Outcome.OK, "forward": 1.0 * len(names)}

    monkeypatch.setattr("scq.validation.comparison.comparing.measure", measure)
    return names


def test_finished_cells_are_kept_and_the_rest_is_measured(tmp_path: Path, measured: list[str]) -> None:
    first = compare(dataclasses.replace(CONFIG, backends=("relaxed",), out=tmp_path), progress=False)
    again = compare(dataclasses.replace(CONFIG, out=tmp_path, resume=first.folder), progress=False)
    assert measured == ["relaxed", "interior_point"]
    assert again.folder == first.folder
    assert [(row.backend, row.forward) for row in again.rows] == [("interior_point", 2.0), ("relaxed", 1.0)]
    content = json.loads((first.folder / "compare.json").read_text())
    assert [row["backend"] for row in content["rows"]] == ["interior_point", "relaxed"]
    assert content["seconds"] > 0


def test_a_killed_comparison_goes_on_where_it_was(
    tmp_path: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(CONFIG, backends=("relaxed", "daqp"), out=tmp_path, variants=False)
    with pytest.raises(KeyboardInterrupt):
        compare(config, progress=False)
    monkeypatch.setattr("scq.validation.comparison.comparing.measure", lambda *_: {"outcome": Outcome.OK})
    rows = compare(dataclasses.replace(config, resume=tmp_path / "compare"), progress=False).rows
    assert [(row.backend, row.forward) for row in rows] == [("relaxed", 1.0), ("daqp", None)]


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Who was timed, and whether again; each takes as many microseconds as were timed before it. Killed at "daqp"."""
    done: list[tuple[str, bool]] = []

    def measure(cell: PlannedRow, repeats: int, limit: float, again: bool = False) -> dict[str, Any]:
        done.append((cell.info.name, again))
        times = [1e-6 * len(done)] * repeats
        fields = {"outcome": Outcome.OK, "forward": times[0], "forwards": times, "backwards": times, "backward": 0.0}
        if again and done.count((cell.info.name, True)) == 1 and cell.info.name == "interior_point":
            raise KeyboardInterrupt
        return fields | ({} if again else {"kkt_max": 1e-12})

    monkeypatch.setattr("scq.validation.comparison.comparing.measure", measure)
    return done


def test_backends_take_turns_and_a_round_that_is_missing_is_made_up_for(
    tmp_path: Path, rounds: list[tuple[str, bool]]
) -> None:
    config = dataclasses.replace(CONFIG, out=tmp_path, variants=False)
    with pytest.raises(KeyboardInterrupt):
        compare(config, progress=False)
    assert rounds == [("interior_point", False), ("relaxed", False), ("interior_point", True)]
    assert read_record(tmp_path / "compare").missing == [
        "the times of 2 of 2 measurements of backends are of one round"
    ]
    first, second = compare(dataclasses.replace(config, resume=tmp_path / "compare"), progress=False).rows
    assert rounds[3:] == [("interior_point", True), ("relaxed", True)]
    assert [(row.rounds, row.repeats, row.kkt_max) for row in (first, second)] == [(2, 2, 1e-12)] * 2
    assert first.forwards == pytest.approx([1e-6, 4e-6]) and first.forward == pytest.approx(2.5e-6)
    assert second.timing is not None
    assert second.timing.values == pytest.approx((4e-6, 10e-6))
    assert read_record(tmp_path / "compare").missing == []
    lines = (tmp_path / "compare" / "compare.csv").read_text().splitlines()
    assert lines[0].endswith("forward_min,forward_max,backward_min,backward_max")
    assert [float(x) for x in lines[1].split(",")[-4:]] == pytest.approx([1e-6, 4e-6, 1e-6, 4e-6])


def test_a_second_round_that_fails_leaves_the_first_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*told: object) -> dict[str, Any]:
        if told[3:] == (True,):
            return {"outcome": Outcome.TIME_LIMIT, "note": "killed after 60 s, during the timing"}
        return {"outcome": Outcome.OK, "forward": 1.0, "backward": 1.0, "forwards": [1.0], "backwards": [1.0]}

    monkeypatch.setattr("scq.validation.comparison.comparing.measure", measure)
    config = dataclasses.replace(CONFIG, backends=("relaxed",), out=tmp_path)
    (row,) = compare(config, progress=False).rows
    assert (row.outcome, row.forward, row.rounds) == (Outcome.OK, 1.0, 2)
    assert row.note == "times of round 2 are missing: killed after 60 s, during the timing"
    assert row.timing is None  # one repeat is no measurement


def test_one_that_was_killed_before_its_first_measurement_goes_on_too(
    tmp_path: Path, measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(CONFIG, backends=("daqp",), out=tmp_path, variants=False)
    with pytest.raises(KeyboardInterrupt):
        compare(config)
    again = f"scq compare --resume {tmp_path / 'compare'}"
    assert f"Interrupted; 0 of 1 measurements are made; to go on from there: {again}\n" in capsys.readouterr().out
    assert read_record(tmp_path / "compare").missing == ["1 of 1 measurements of backends are still to be made"]
    with pytest.raises(KeyboardInterrupt):
        compare(dataclasses.replace(config, resume=tmp_path / "compare"), progress=False)


def test_what_was_killed_is_tried_again_only_with_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([Outcome.TIME_LIMIT, Outcome.OK, Outcome.OK])
    monkeypatch.setattr("scq.validation.comparison.comparing.measure", lambda *_: {"outcome": next(outcomes)})
    folder = compare(dataclasses.replace(CONFIG, out=tmp_path), progress=False).folder
    for limit, expected in ((60.0, Outcome.TIME_LIMIT), (90.0, Outcome.OK)):
        rows = compare(dataclasses.replace(CONFIG, resume=folder, time_limit=limit), progress=False).rows
        assert [row.outcome for row in rows] == [expected, Outcome.OK]


def test_what_failed_is_tried_again(tmp_path: Path, measured: list[str]) -> None:
    config = dataclasses.replace(CONFIG, backends=("clarabel",), out=tmp_path, variants=False)
    folder = compare(config, progress=False).folder
    compare(dataclasses.replace(config, resume=folder), progress=False)
    assert measured == ["clarabel", "clarabel"]


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lam": 0.2}, "resume is .*, where lam was 0.1, must be 0.2"),
        ({"repeats": 2}, "where repeats was 1, must be 2"),
        ({"time_limit": 5.0}, "where time_limit was 60.0, must be at least that"),
        ({"backends": ("relaxed",)}, r"has interior_point on hull \(F 4, K 12\), float64, must be asked for again"),
    ],
)
def test_other_settings_are_refused_before_anything_is_measured(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = compare(dataclasses.replace(CONFIG, out=tmp_path), progress=False).folder
    before = (folder / "compare.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        compare(dataclasses.replace(CONFIG, out=tmp_path, resume=folder, **change), progress=False)
    assert (folder / "compare.json").read_bytes() == before


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("processor", "another", "was measured with processor another, must be"),
        ("packages", {"numpy": "1.0"}, "was measured with numpy 1.0, must be"),
        ("packages", {"numba": "0.1"}, "was measured with numba 0.1, must be"),
        ("packages", {"diffcp": "0.1"}, "was measured with diffcp 0.1, must be"),
        ("packages", {"qpth": None}, None),
        ("packages", {}, None),  # of a time when less was recorded
    ],
)
def test_times_of_another_machine_are_not_gone_on_with(
    tmp_path: Path, name: str, value: object, message: str | None
) -> None:
    folder = compare(dataclasses.replace(CONFIG, out=tmp_path), progress=False).folder
    content = json.loads((folder / "compare.json").read_text())
    content["environment"][name] = value
    (folder / "compare.json").write_text(json.dumps(content))
    config = dataclasses.replace(CONFIG, out=tmp_path, resume=folder)
    if message is None:
        compare(config, progress=False)
        return
    with pytest.raises(ValueError, match=message):
        compare(config, progress=False)


def test_a_folder_without_a_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be the folder of a comparison \(it has no compare.json\)"):
        compare(dataclasses.replace(CONFIG, out=tmp_path, resume=tmp_path), progress=False)
