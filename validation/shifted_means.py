"""One number for a backend over all problems: the shifted geometric mean of its times, and how often it failed.

    exp(mean over problems and columns of log(t + s)) - s,    s = 10 microseconds a column

The shift s keeps a problem that is solved in no time from deciding the mean. A column without a solution counts with
the time limit, whatever time it took to fail. Every problem counts alike, however many columns it has.

Source: H. Mittelmann's benchmarks, https://plato.asu.edu/ftp/shgeom.html; qpbenchmark shifts whole problems by 10 s.
"""

import math
from collections.abc import Sequence

from scq.validation.rows import Outcome, Row
from scq.validation.tables import Cell, Table, number, table, text

SHIFT = 1e-5
"""Seconds a column."""


def shifted_mean(rows: Sequence[Row], limit: float) -> float:
    """The shifted geometric mean of seconds a column, forward and backward.

    Args:
        rows: of one backend, one for each problem.
        limit: seconds that a column without a solution counts with.
    """
    logs = []
    for row in rows:
        lost = 1.0 if row.outcome != Outcome.OK or row.total is None else sum(row.failures.values()) / row.columns
        log = lost * math.log(limit + SHIFT)
        if row.total is not None and lost < 1.0:
            log += (1 - lost) * math.log(row.total + SHIFT)
        logs.append(log)
    return math.exp(sum(logs) / len(logs)) - SHIFT


def means_table(rows: Sequence[Row], time_limit: float) -> Table:
    """A line for each backend, variant, tolerance and dtype, the fastest first within a dtype; backends that are not
    installed are left out."""
    rows = [row for row in rows if row.outcome != Outcome.MISSING]
    # One cell may take time_limit: the longest time a column that any backend could have shown.
    limit = time_limit / min((row.columns for row in rows), default=1)
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.dtype, row.title, row.preset), []).append(row)
    means = {group: shifted_mean(own, limit) for group, own in groups.items()}
    fastest = {dtype: min(mean for group, mean in means.items() if group[0] == dtype) for dtype, *_ in groups}
    order = sorted(groups, key=lambda group: (group[0] != "float64", means[group]))
    lines = []
    for dtype, title, preset in order:
        own, mean = groups[dtype, title, preset], means[dtype, title, preset]
        judged = [row for row in own if row.within is not None]
        columns, failed = sum(row.columns for row in own), sum(_lost(row) for row in own)
        within = sum(row.within or 0 for row in judged) / sum(row.columns for row in judged) if judged else None
        worst = max((row.kkt_max for row in own if row.kkt_max is not None), default=None)
        lines.append(
            [
                text(title),
                text(preset),
                text(dtype),
                Cell(str(len(own)), len(own)),
                number(mean, scale=1e6),
                number(mean / fastest[dtype]),
                number(failed / columns, scale=100.0),
                number(within, scale=100.0),
                number(worst, 2),
            ]
        )
    headings = (
        "backend",
        "tolerance",
        "dtype",
        "problems",
        "time, µs a column",
        "/ fastest",
        "failed columns, %",
        "within the tolerance, %",
        "KKT, largest",
    )
    caption = (
        f"Shifted geometric means over problems, forward and backward, shift {SHIFT * 1e6:g} µs; a failed column "
        f"counts as {limit:.3g} s"
    )
    return table(caption, headings, lines)


def _lost(row: Row) -> int:
    return sum(row.failures.values()) if row.outcome == Outcome.OK else row.columns
