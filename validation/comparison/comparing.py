"""Every backend on every problem: time, memory, residuals and errors, in a table."""

import dataclasses
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from scq import solvers
from scq.training.environment import environment
from scq.training.folder import new_folder
from scq.training.lock import held
from scq.training.resuming import command, interruptible
from scq.training.terminal import say
from scq.validation.common.files import csv_text, write_json, write_text, written_by_us
from scq.validation.common.measuring.machine import machine
from scq.validation.common.measuring.timing import circumstances
from scq.validation.common.progress import CellProgress
from scq.validation.common.rendering import plainly, render
from scq.validation.comparison.earlier import JSON, check_comparison, earlier
from scq.validation.comparison.measuring.latents import problem_files
from scq.validation.comparison.plan import cells, key
from scq.validation.comparison.process import measure
from scq.validation.comparison.row_table import brief_tables, notes, row_table
from scq.validation.comparison.rows import Outcome, Row
from scq.validation.comparison.shifted_means import means_table
from scq.validation.config import CompareConfig

ROUNDS = 2
"""Processes in which each cell is timed, the others' in between: a time of one process differs from that of another by
more than its repeats do."""


@dataclass(frozen=True)
class Comparison:
    """A finished comparison: its rows, and the folder with compare.csv, .md, .html and .json."""

    folder: Path
    rows: list[Row]


def compare(config: CompareConfig, progress: bool = True) -> Comparison:
    """Measures backends x problems x dtypes, one after the other, each in a process of its own.

    With ``config.presets`` an exact backend is measured once for each tolerance; with ``config.variants`` also in the
    ways of its registry entry, which are those of its own users.

    A process that exceeds ``config.time_limit`` is killed, and one that crashes takes nothing else with it; the row has
    what was measured until then, and why it ends there. A backend whose package is missing gets rows that say so. The
    tables on disk are complete after every row, so that a killed comparison loses nothing, and ``config.resume`` goes
    on with it.

    Times and memory are of forward and backward of all N columns together, by the backend's default gradient. Times are
    a column, medians with the smallest and the largest, of ``config.repeats`` in each of two rounds, A B C A B C ...:
    every cell is timed again, in a new process, when all have been. Backends of other packages solve
    ``config.peer_columns`` columns only. Errors are against an answer in float64 whose relative KKT residual is at most
    1e-12 in every column (:mod:`scq.validation.comparison.measuring.reference`).

    Args:
        config: the settings.
        progress: shows a bar with the time left, and the table at the end.

    Raises:
        ValueError: bad settings, latents that cannot be read, or a folder to resume that was measured with other
            settings or elsewhere; before anything is measured.
    """
    if config.latents is not None:  # as it will be found from elsewhere, when this is gone on with
        config = dataclasses.replace(config, latents=config.latents.resolve())
    plan = list(cells(config, [] if config.latents is None else problem_files(config.latents)))
    environ = environment(torch.device("cpu")) | machine() | {"load_before": circumstances()["load"]}
    if config.resume is None:
        folder = new_folder(config.out, config.name)
    else:
        folder = config.resume
        check_comparison(folder)
    rows_by_key: dict[tuple[Any, ...], Row] = {}

    def so_far() -> str:
        return f"{len(rows_by_key)} of {len(plan)} measurements are made"

    with held(folder), interruptible(command("compare", folder), so_far):
        before = 0.0
        if config.resume is not None:
            with written_by_us(folder / JSON):
                rows_by_key, before = earlier(folder / JSON, config, environ, plan)
        start = time.perf_counter()

        def save() -> list[Row]:
            rows = [rows_by_key[key(cell.row)] for cell in plan if key(cell.row) in rows_by_key]
            facts = {"environment": environ, "seconds": before + time.perf_counter() - start, "planned": len(plan)}
            _write(folder, config, facts, rows)
            return rows

        rows = save()
        with CellProgress("compare", ROUNDS * len(plan), disable=not progress) as bar:
            bar.skip(len(rows_by_key))
            for cell in plan:
                if key(cell.row) in rows_by_key:
                    continue
                row = Row(**cell.row, outcome=Outcome.MISSING, note=cell.info.why_not or "")
                name = f"{row.label} on {row.where}"
                bar.begin(name)
                if cell.info.available:
                    row = Row(**cell.row | {"rounds": 1} | measure(cell, config.repeats, config.time_limit))
                rows_by_key[key(cell.row)] = row
                rows = save()
                bar.end(name, row.outcome)
            for number, cell in product(range(2, ROUNDS + 1), plan):
                row = rows_by_key[key(cell.row)]
                if _timed(row, number):
                    bar.skip()
                    continue
                name = f"{row.label} on {row.where}, round {number}"
                bar.begin(name)
                further = measure(cell, config.repeats, config.time_limit, True)
                rows_by_key[key(cell.row)] = _joined(row, further, number)
                rows = save()
                bar.end(name, row.outcome)
    if progress:
        console = Console()
        for table in brief_tables(rows):
            table.show(console)
        for note in notes(rows):
            say(note)
        say(f"Tables: {folder / 'compare.html'}, and as csv, md and json beside it")
    return Comparison(folder, rows)


def _timed(row: Row, number: int) -> bool:
    """Whether that round has nothing to time: it was done, or the first one found no times."""
    return not row.forwards or (row.rounds or 1) >= number


def _joined(row: Row, again: Mapping[str, Any], number: int) -> Row:
    """The row with the times of a further round."""
    forwards, backwards = [*row.forwards, *again.get("forwards", ())], [*row.backwards, *again.get("backwards", ())]
    missed = "" if again["outcome"] == Outcome.OK else f"times of round {number} are missing: {again.get('note', '')}"
    return dataclasses.replace(
        row,
        forward=statistics.median(forwards),
        backward=statistics.median(backwards),
        repeats=len(forwards),
        forwards=forwards,
        backwards=backwards,
        rounds=number,
        note="; ".join(part for part in (row.note, missed) if part),
    )


def _write(folder: Path, config: CompareConfig, facts: dict[str, Any], rows: list[Row]) -> None:
    # vars, not asdict: it copies, and a mapping proxy cannot be copied.
    plain = [dict(vars(row)) for row in rows]
    # The names, also when none were given and all were measured.
    settings = dataclasses.asdict(config) | {"backends": config.backends or [info.name for info in solvers.backends()]}
    write_json(folder / JSON, {"config": settings, **facts, "rows": plain})
    shown = row_table(rows)
    means = means_table(rows, config.time_limit)
    remarks = notes(rows)
    listed = "".join(f"\n- {remark}" for remark in remarks)
    tables = f"{means.caption}.\n\n{means.markdown()}\n{shown.caption}.\n\n{shown.markdown()}"
    write_text(folder / "compare.md", f"{tables}{listed}\n")
    # Paths are nobody's business in a page that is passed on; compare.json has them.
    hidden = ("out", "name", "latents", "resume")
    public = plainly({name: value for name, value in settings.items() if name not in hidden})
    page = render(
        "table.html.j2",
        table=shown,
        means=means,
        notes=remarks,
        settings=public,
        environment=plainly(facts["environment"]),
    )
    write_text(folder / "compare.html", page)
    write_text(folder / "compare.csv", _csv(plain))


def _csv(rows: list[dict[str, Any]]) -> str:
    """A line a row, without its curve, and of its times the smallest and the largest beside the median."""
    names = [field.name for field in dataclasses.fields(Row) if field.name not in ("curve", *_TIMES.values())]
    lines = [
        {name: row[name] for name in names}
        | {"statuses": " ".join(f"{name}={n}" for name, n in row["statuses"].items())}
        | {
            f"{time}_{end}": pick(row[times], default=None)
            for time, times in _TIMES.items()
            for end, pick in (("min", min), ("max", max))
        }
        for row in rows
    ]
    return csv_text([*names, *(f"{time}_{end}" for time in _TIMES for end in ("min", "max"))], lines)


_TIMES = {"forward": "forwards", "backward": "backwards"}
