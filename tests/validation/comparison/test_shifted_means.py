import math

import pytest

from scq.validation.comparison.rows import Outcome, Row
from scq.validation.comparison.shifted_means import SHIFT, means_table, shifted_mean


def row(backend: str, microseconds: float | None, **fields: object) -> Row:
    seconds = None if microseconds is None else microseconds * 1e-6 / 2
    known = {"family": "hull", "dtype": "float64", "lam": 0.1, "columns": 10, "features": 4, "codewords": 12}
    measured = {"outcome": Outcome.OK, "forward": seconds, "backward": seconds, "statuses": {"SOLVED": 10}}
    if seconds is not None:
        repeats = [0.9 * seconds, seconds, 1.1 * seconds]
        measured |= {"forwards": repeats, "backwards": repeats}
    return Row(backend=backend, **known | measured | fields)


def test_the_mean_of_equal_times_is_that_time() -> None:
    assert shifted_mean([row("a", 70.0), row("b", 70.0)], 1.0) == pytest.approx(70e-6)


def test_the_mean_is_geometric_after_the_shift() -> None:
    # (30 + 10) (90 + 10) = 4000, whose root is 63.246; less 10.
    assert shifted_mean([row("a", 30.0), row("a", 90.0)], 1.0) == pytest.approx((math.sqrt(4000) - 10) * 1e-6)
    assert SHIFT == 1e-5


def test_a_failed_column_counts_with_the_limit() -> None:
    half = row("a", 90.0, statuses={"SOLVED": 5, "MAX_ITER": 5})
    assert shifted_mean([half], 2.0) == pytest.approx(math.sqrt(100e-6 * (2.0 + SHIFT)) - SHIFT)
    for lost in (row("a", None, outcome=Outcome.TIME_LIMIT), row("a", 1.0, outcome=Outcome.FAILED)):
        assert shifted_mean([lost], 2.0) == pytest.approx(2.0)


def test_the_table_has_a_line_a_way_the_fastest_first() -> None:
    rows = [
        row("slow", 200.0, within=10, kkt_max=1e-12),
        row("slow", 200.0, within=5, kkt_max=1e-3, family="random"),
        row("slow", 100.0, variant="its defaults", within=0),
        row("fast", 10.0, preset="low", within=10),
        row("gone", None, outcome=Outcome.MISSING),
        row("relaxed", 20.0, dtype="float32", within=None),
    ]
    table = means_table(rows, time_limit=60.0)
    shown = [[cell.text for cell in line] for line in table.rows]
    assert [line[0] for line in shown] == ["fast", "slow (its defaults)", "slow", "relaxed"]
    assert [line[1] for line in shown] == ["low", "—", "—", "—"]
    # Every column takes 180 to 220 us.
    assert shown[2][3:] == ["2", "200 (180 to 220)", "20.0", "0", "75.0", "0.0010"]
    assert shown[3][5] == "1.00"
    assert shown[3][7] == "—"
    assert "counts as 6 s" in table.caption


def test_a_multiple_of_the_fastest_is_shown_only_where_the_ranges_are_apart() -> None:
    rows = [row("fast", 100.0), row("level", 110.0), row("slow", 130.0), row("old", 500.0, forwards=(), backwards=())]
    shown = [[cell.text for cell in line] for line in means_table(rows, time_limit=60.0).rows]
    assert [line[5] for line in shown] == ["1.00", "—", "1.30", "—"]
    assert [line[4] for line in shown][-1] == "500"
