"""The table of a comparison, as people see it."""

from collections.abc import Callable, Sequence

from scq.validation.common.measuring.timing import cell, repeated
from scq.validation.common.tables import Cell, Table, count, number, table, text
from scq.validation.comparison.rows import Outcome, Row


def _failures(row: Row) -> Cell:
    if not row.statuses:
        return text(None)
    words = ", ".join(f"{n} {name.lower().replace('_', ' ')}" for name, n in row.failures.items())
    return Cell(words or "0", sum(row.failures.values()))


def _time(values: Sequence[float], median: float | None) -> Cell:
    """Microseconds; of an older file, which has no range, the median alone."""
    measured = repeated(values)
    return number(median, scale=1e6) if measured is None else cell(measured, scale=1e6)


_COLUMNS: dict[str, Callable[[Row], Cell]] = {
    "backend": lambda row: text(row.title),
    "tolerance": lambda row: text(row.preset),
    "problem": lambda row: text(row.family),
    "step": lambda row: count(row.step),
    "dtype": lambda row: text(row.dtype),
    "N": lambda row: count(row.columns),
    "F": lambda row: count(row.features),
    "K": lambda row: count(row.codewords),
    "gradient": lambda row: text(row.gradient),
    "forward, µs a column": lambda row: _time(row.forwards, row.forward),
    "backward, µs a column": lambda row: _time(row.backwards, row.backward),
    "peak memory, MiB": lambda row: number(row.memory, scale=2**-20),
    "iterations": lambda row: number(row.iterations),
    "KKT, largest": lambda row: number(row.kkt_max),
    "KKT, median": lambda row: number(row.kkt_median),
    "weights error, largest": lambda row: number(row.weights_error_max),
    "weights error, median": lambda row: number(row.weights_error_median),
    "dL/dZ error": lambda row: number(row.latents_gradient_error),
    "dL/dC error": lambda row: number(row.codebook_gradient_error),
    "failed columns": _failures,
    "within the tolerance": lambda row: count(row.within),
    "outcome": lambda row: text(row.outcome),
}

_BRIEF: dict[str, Callable[[Row], Cell]] = {
    # A variant stands below its backend: both names in one cell would leave a narrow terminal no room for numbers.
    "backend": lambda row: text(f"  {row.variant}" if row.variant else row.backend),
    "tol": lambda row: text(row.preset),
    "bits": lambda row: text(row.dtype.removeprefix("float")),
    "µs (range)": lambda row: number(row.total, scale=1e6) if row.timing is None else cell(row.timing, 2, 1e6),
    "KKT": lambda row: number(row.kkt_max, 2),
    "weights error": lambda row: number(row.weights_error_max, 2),
    "dL/dC error": lambda row: number(row.codebook_gradient_error, 2),
}


def row_table(rows: Sequence[Row]) -> Table:
    """Every row in full, in the order measured."""
    problems = len({(row.family, row.step, row.features, row.codewords, row.dtype) for row in rows})
    complete = sum(row.outcome == Outcome.OK for row in rows)
    backends = len({row.backend for row in rows})
    caption = (
        f"{_count(backends, 'backend')} on {_count(problems, 'problem')}: {complete} of {len(rows)} measured in full"
    )
    return table(caption, _COLUMNS, ([show(row) for show in _COLUMNS.values()] for row in rows))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def brief_tables(rows: Sequence[Row]) -> list[Table]:
    """What fits a terminal, a table for each problem."""
    tables = []
    for family, step, F, K in dict.fromkeys((row.family, row.step, row.features, row.codewords) for row in rows):
        of_problem = [
            row for row in rows if (row.family, row.step, row.features, row.codewords) == (family, step, F, K)
        ]
        # A column of tolerances only where there are any: a terminal is narrow.
        columns = {
            name: show for name, show in _BRIEF.items() if name != "tol" or any(row.preset for row in of_problem)
        }
        cells = ([show(row) for show in columns.values()] for row in of_problem)
        where = family if step is None else f"{family} of step {step}"
        tables.append(table(f"Backends on {where}, F {F}, K {K}; times a column, both passes", columns, cells))
    return tables


def notes(rows: Sequence[Row]) -> list[str]:
    """Why rows are not complete, and which columns failed; each sentence once."""
    sentences = [f"{row.title}: {row.note or row.outcome}" for row in rows if row.note or row.outcome != Outcome.OK]
    sentences += [
        f"{row.label} on {row.where}: {_failures(row).text} of {row.columns} columns failed"
        for row in rows
        if row.failures
    ]
    return list(dict.fromkeys(sentences))
