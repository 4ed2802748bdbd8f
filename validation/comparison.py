"""Every backend on every problem: time, memory, residuals and errors, in a table."""

import csv
import dataclasses
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import solvers
from scq.training.environment import environment
from solvers.registry import BackendInfo, get
from validation.cells import measure
from validation.config import CompareConfig
from validation.families import ProblemSpec, read_latents
from validation.files import new_folder, write_json, write_text
from validation.latents import latents_file
from validation.machine import machine
from validation.progress import cell_progress
from validation.rendering import plainly, render
from validation.row_table import brief_tables, notes, row_table
from validation.rows import Outcome, Row

JSON = "compare.json"


@dataclass(frozen=True)
class Comparison:
    """A finished comparison: its rows, and the folder with compare.csv, .md, .html and .json."""

    folder: Path
    rows: list[Row]


def compare(config: CompareConfig, progress: bool = True) -> Comparison:
    """Measures backends x problems x dtypes, one after the other, each in a process of its own.

    A process that exceeds ``config.time_limit`` is killed, and one that crashes takes nothing else with it; the row has
    what was measured until then, and why it ends there. A backend whose package is missing gets rows that say so. The
    tables on disk are complete after every row, so that a killed comparison loses nothing.

    Times and memory are of forward and backward of all N columns together, by the backend's default gradient; times are
    medians, a column. Backends of other packages solve ``config.peer_columns`` columns only. Errors are against an
    answer in float64 whose relative KKT residual is at most 1e-12 in every column (:mod:`validation.reference`).

    Args:
        config: the settings.
        progress: shows a bar with the time left, and the table at the end.

    Raises:
        ValueError: bad settings, or latents that cannot be read; before anything is measured.
    """
    source = None if config.latents is None else latents_file(config.latents)
    cells = list(_cells(config, source))
    folder = new_folder(config.out, config.name)
    environ = environment(torch.device("cpu")) | machine()
    rows: list[Row] = []
    with cell_progress("compare", disable=not progress) as bar:
        task = bar.add_task("", total=len(cells))
        start = time.perf_counter()
        for info, spec in cells:
            size = f"F {spec.features}, K {spec.codewords}"
            bar.update(task, description=f"{info.name} on {spec.family} ({size}), {spec.dtype}")
            rows.append(_row(info, spec, config))
            _write(folder, config, environ, rows, time.perf_counter() - start)
            bar.advance(task)
    if progress:
        console = Console()
        for table in brief_tables(rows):
            console.print(table.rich())
        for note in notes(rows):
            console.print(note, markup=False)
        console.print(f"Tables: {folder / 'compare.html'}, and as csv, md and json beside it", soft_wrap=True)
    return Comparison(folder, rows)


def _cells(config: CompareConfig, source: Path | None) -> Iterator[tuple[BackendInfo, ProblemSpec]]:
    infos = [get(name) for name in config.backends] or solvers.backends()
    problems = [(family, *size, None) for family in config.families for size in config.sizes]
    if source is not None:
        latents, codebook = read_latents(source)
        columns = sorted({min(size[0], latents.shape[0]) for size in config.sizes})
        problems += [("latents", n, latents.shape[1], codebook.shape[0], str(source)) for n in columns]
    for family, n, features, codewords, path in problems:
        for dtype in config.dtypes:
            for info in infos:
                columns = n if info.package is None else min(n, config.peer_columns)
                yield info, ProblemSpec(family, columns, features, codewords, dtype, config.lam, config.seed, path)


def _row(info: BackendInfo, spec: ProblemSpec, config: CompareConfig) -> Row:
    known: dict[str, Any] = {
        "backend": info.name,
        "family": spec.family,
        "dtype": spec.dtype,
        "lam": spec.lam,
        "columns": spec.columns,
        "features": spec.features,
        "codewords": spec.codewords,
    }
    if not info.available:
        return Row(**known, outcome=Outcome.MISSING, note=info.why_not or "")
    return Row(**known | measure(info, spec, config.repeats, config.time_limit))


def _write(folder: Path, config: CompareConfig, environ: dict[str, Any], rows: list[Row], seconds: float) -> None:
    # vars, not asdict: it copies, and a mapping proxy cannot be copied.
    plain = [dict(vars(row)) for row in rows]
    # The names, also when none were given and all were measured.
    settings = dataclasses.asdict(config) | {"backends": config.backends or [info.name for info in solvers.backends()]}
    write_json(
        folder / JSON,
        {"config": settings, "environment": environ, "seconds": seconds, "rows": plain},
    )
    shown = row_table(rows)
    remarks = notes(rows)
    listed = "".join(f"\n- {remark}" for remark in remarks)
    write_text(folder / "compare.md", f"{shown.caption}.\n\n{shown.markdown()}{listed}\n")
    # Paths are nobody's business in a page that is passed on; compare.json has them.
    public = plainly({name: value for name, value in settings.items() if name not in ("out", "name", "latents")})
    page = render("table.html.j2", table=shown, notes=remarks, settings=public, environment=plainly(environ))
    write_text(folder / "compare.html", page)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in dataclasses.fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in plain:
        writer.writerow(row | {"statuses": " ".join(f"{name}={n}" for name, n in row["statuses"].items())})
    write_text(folder / "compare.csv", buffer.getvalue())
