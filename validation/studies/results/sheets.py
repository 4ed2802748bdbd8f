"""All numbers of a study as tables for other programs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scq.validation.common.files import csv_text
from scq.validation.studies.results.summary import Row, numbers

_LONG = ("test", "log", "measures", "unmeasured", "varied", "traceback")
_WHOSE = ("stage", "run", "arm", "data", "seed")


def runs_csv(rows: Sequence[Row]) -> str:
    """A line for each run: its settings, and all that was measured of it and is one number. Unknown is empty."""
    lines = [{name: value for name, value in row.items() if name not in _LONG} for row in rows]
    for line, row in zip(lines, rows, strict=True):
        line["varied"] = _varied(row)
        line |= {name: value for name, value in numbers(row).items() if value is not None and math.isfinite(value)}
    return _csv(lines)


def points_csv(rows: Sequence[Row]) -> str:
    """A line for each point of a measure with several: an m, a rate, a dumped problem solved by a backend."""
    return _csv(
        [
            {name: row[name] for name in _WHOSE} | {"varied": _varied(row), "measure": measure} | point
            for row in rows
            for measure, measured in row.get("measures", {}).items()
            for point in measured.get("points", ())
        ]
    )


def _varied(row: Row) -> str:
    return ";".join(f"{name}={value}" for name, value in row["varied"].items())


def _csv(lines: Sequence[Mapping[str, Any]]) -> str:
    return csv_text(dict.fromkeys(name for line in lines for name in line), lines)
