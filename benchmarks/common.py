"""What the benchmarks share: problems, plain baselines, rounds, the machine, and the tables that are written."""

import csv
import datetime
import importlib.metadata
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import torch
from torch import Tensor

from scq import solvers
from scq.solvers.clock import now
from scq.validation.common.measuring.timing import Repeated, in_turns
from scq.validation.common.tables import markdown

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"

ROUNDS = 3
"""Processes in which everything is measured, one after the other: a ratio moves more between processes than in one."""

LOAD = psutil.getloadavg()[0]
"""Of the machine before anything was measured."""

Round = dict[str, dict[str, float]]
"""What one process measured: for each row of a table its numbers by name."""

LAM, STEPS = 0.1, 20
"""The regularisation weight, and m, the steps of the relaxation."""


def plain_vq(latents: Tensor, codebook: Tensor) -> Tensor:
    """The nearest codewords, as everybody writes it, in chunks where (N, K) would be large."""
    squares = (codebook * codebook).sum(1)
    rows = max(1, 2**24 // codebook.shape[0])
    return torch.cat([(squares - 2 * z @ codebook.T).argmin(1) for z in latents.split(rows)])


def plain_relaxation(latents: Tensor, codebook: Tensor) -> Tensor:
    """The paper's relaxation in plain tensor code, with nothing checked."""
    with torch.no_grad():
        anchor = plain_vq(latents, codebook)
    K, eye = codebook.shape[0], torch.eye(codebook.shape[1], device=codebook.device)
    correction = torch.linalg.solve(codebook.T @ codebook + LAM * eye, codebook.T)
    P = (latents - codebook[anchor]) @ correction
    P = P.scatter_add(1, anchor[:, None], latents.new_ones(len(latents), 1))
    for _ in range(STEPS):
        P = P.clamp_min(0.0)
        P = P - (P.sum(1, keepdim=True) - 1) / K
    return P


def relaxation_both(latents: Tensor, codebook: Tensor) -> None:
    """Forward and backward of the relaxation, through its steps."""
    z, c = latents.clone().requires_grad_(), codebook.clone().requires_grad_()
    (plain_relaxation(z, c) @ c).square().sum().backward()


def forward(latents: Tensor, codebook: Tensor, backend: str = "active_set") -> solvers.Solution:
    """What a user calls, checks included."""
    return solvers.solve(solvers.Problem(latents, codebook, LAM), backend, gradient="none")


def both(latents: Tensor, codebook: Tensor, backend: str = "active_set") -> None:
    """Forward and backward."""
    z, c = latents.clone().requires_grad_(), codebook.clone().requires_grad_()
    solvers.solve(solvers.Problem(z, c, LAM), backend).reconstruction.square().sum().backward()


def medians(
    functions: dict[str, Callable[[], object]], repeats: int, clock: Callable[[torch.device], float] = now
) -> dict[str, float]:
    """Median seconds of each function in this process, in turns, after one call that is not counted. A clock of CPU
    time leaves out what a CPU did for other programs."""
    seconds = in_turns(functions, repeats, torch.device("cpu"), clock=clock)
    return {name: statistics.median(values) for name, values in seconds.items()}


def run(measure: Callable[[], Round], publish: Callable[[list[Round]], object]) -> None:
    """``python NAME.py`` measures in rounds, each a process of its own, and publishes what they found together;
    ``python NAME.py FILE`` is one round, which goes into the file."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(measure()))
    else:
        publish(in_rounds(Path(sys.argv[0])))


def in_rounds(script: Path) -> list[Round]:
    """What a script measures in each of its rounds."""
    found = []
    for number in range(1, ROUNDS + 1):
        print(f"{script.stem}: round {number} of {ROUNDS}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "round.json"
            subprocess.run([sys.executable, str(script), str(result)], check=True)
            found.append(json.loads(result.read_text()))
    return found


def together(rounds: Sequence[Round]) -> dict[str, dict[str, Repeated]]:
    """For each row and name the number of every round."""
    return {
        row: {name: Repeated(tuple(one[row][name] for one in rounds)) for name in numbers}
        for row, numbers in rounds[0].items()
    }


def verdict(value: Repeated, reach: float, aim: float = 0.0) -> str:
    """How the rounds stand to a target: on one side of it all of them, or nothing is said."""
    if value.maximum <= aim:
        return "aim"
    if value.maximum <= reach:
        return "pass"
    return f"short by {value.median / reach - 1:.0%}" if value.minimum > reach else "open: in the range"


def about() -> str:
    """The date, the machine and the versions, in a sentence."""
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "numba", "numpy"))
    return (
        f"{datetime.date.today().isoformat()}; {platform.machine()}, {psutil.cpu_count(logical=False)} cores, "
        f"{torch.get_num_threads()} torch threads; Python {platform.python_version()}, {versions}; load average "
        f"{LOAD:.1f} before and {psutil.getloadavg()[0]:.1f} after."
    )


def write(
    name: str,
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    notes: str,
    page: Path | None = None,
) -> Path:
    """Writes a table as Markdown and CSV, puts it into a page (docs/speed.md) that has a place for it, and prints it.

    What was repeated is shown with its range, which in the CSV has columns of its own.
    """
    table = markdown(headings, (map(_shown, row) for row in rows))
    n = max((value.n for row in rows for value in row if isinstance(value, Repeated)), default=0)
    how = f" Median (smallest to largest) of {n} rounds, each in a process of its own." if n else ""
    lines = [about() + how, "", table, notes]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text("\n".join([f"# {title}", "", *lines, ""]))
    with path.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows(_flat(headings, rows))
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    page = page or PAGE
    page.write_text(place.sub(lambda found: "\n".join([found[1], *lines, "", found[2]]), page.read_text()))
    print("\n".join([f"# {title}", "", *lines]))
    print(f"Written: {path}, {path.with_suffix('.csv')}, {page}")
    return path


def _shown(value: object) -> str:
    return value.words() if isinstance(value, Repeated) else str(value)


def _flat(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """With three columns, of median, smallest and largest, for each that was repeated."""
    columns: list[list[object]] = []
    for heading, values in zip(headings, zip(*rows, strict=True), strict=True):
        columns.append([heading, *(value.median if isinstance(value, Repeated) else value for value in values)])
        if any(isinstance(value, Repeated) for value in values):
            for end in ("minimum", "maximum"):
                columns.append([f"{heading}, {end}", *(getattr(value, end, "") for value in values)])
    return [list(line) for line in zip(*columns, strict=True)]
