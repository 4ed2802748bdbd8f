"""One number for a backend over all problems: the shifted geometric mean of its times, and how often it failed.

    exp(mean over problems and columns of log(t + s)) - s,    s = 10 microseconds a column

The shift s keeps a problem that is solved in no time from deciding the mean. A column without a solution counts with
the time limit, whatever time it took to fail. Every problem counts alike, however many columns it has.

Source: H. Mittelmann's benchmarks, https://plato.asu.edu/ftp/shgeom.html; qpbenchmark shifts whole problems by 10 s.
"""

import math
from collections.abc import Callable, Sequence

from scq.validation.common.measuring.timing import Repeated, cell, distinguishable
from scq.validation.common.tables import Table, count, number, table, text
from scq.validation.comparison.rows import Outcome, Row

SHIFT = 1e-5
"""Seconds a column."""


def shifted_mean(
    rows: Sequence[Row], limit: float, time: Callable[[Row], float | None] = lambda row: row.total
) -> float:
    """The shifted geometric mean of seconds a column, forward and backward.

    Args:
        rows: of one backend, one for each problem.
        limit: seconds that a column without a solution counts with.
        time: which of a row's times, by default the median.
    """
    logs = []
    for row in rows:
        seconds = time(row)
        lost = 1.0 if row.outcome != Outcome.OK or seconds is None else sum(row.failures.values()) / row.columns
        log = lost * math.log(limit + SHIFT)
        if seconds is not None and lost < 1.0:
            log += (1 - lost) * math.log(seconds + SHIFT)
        logs.append(log)
    return math.exp(sum(logs) / len(logs)) - SHIFT


def _spread(rows: Sequence[Row], limit: float) -> Repeated | None:
    """The mean as if every problem had taken its shortest, its median and its longest time; None where one has no
    spread."""
    if any(row.timing is None and row.total is not None for row in rows):
        return None
    ends = (lambda t: t.minimum, lambda t: t.median, lambda t: t.maximum)
    return Repeated(
        tuple(shifted_mean(rows, limit, lambda row, end=end: end(row.timing) if row.timing else None) for end in ends)
    )


def means_table(rows: Sequence[Row], time_limit: float) -> Table:
    """A line for each backend, variant, tolerance and dtype, the fastest first within a dtype; backends that are not
    installed are left out."""
    rows = [row for row in rows if row.outcome != Outcome.MISSING]
    # One cell may take time_limit: the longest time a column that any backend could have shown.
    limit = time_limit / min((row.columns for row in rows), default=1)
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.dtype, row.title, row.preset), []).append(row)
    means = {group: shifted_mean(members, limit) for group, members in groups.items()}
    spreads = {group: _spread(members, limit) for group, members in groups.items()}
    fastest = {dtype: min((g for g in groups if g[0] == dtype), key=lambda g: means[g]) for dtype, *_ in groups}
    order = sorted(groups, key=lambda group: (group[0] != "float64", means[group]))
    lines = []
    for dtype, title, preset in order:
        group, first = (dtype, title, preset), fastest[dtype]
        members, mean, spread = groups[group], means[group], spreads[group]
        # Not told apart from the fastest, it is no multiple of it.
        apart = bool(spread and spreads[first] and distinguishable(spread, spreads[first]))
        judged = [row for row in members if row.within is not None]
        columns, failed = sum(row.columns for row in members), sum(_lost(row) for row in members)
        within = sum(row.within or 0 for row in judged) / sum(row.columns for row in judged) if judged else None
        worst = max((row.kkt_max for row in members if row.kkt_max is not None), default=None)
        lines.append(
            [
                text(title),
                text(preset),
                text(dtype),
                count(len(members)),
                number(mean, scale=1e6) if spread is None else cell(spread, scale=1e6),
                number(mean / means[first] if apart or group == first else None),
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
        f"counts as {limit:.3g} s. In brackets the means of the shortest and of the longest times; a dash where these "
        "overlap with the fastest's"
    )
    return table(caption, headings, lines)


def _lost(row: Row) -> int:
    return sum(row.failures.values()) if row.outcome == Outcome.OK else row.columns
