"""What the benchmarks share: problems, plain baselines, medians, the machine, and the tables that are written."""

import csv
import datetime
import importlib.metadata
import platform
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import torch
from torch import Tensor

from scq import solvers

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"

LAM, STEPS = 0.1, 20
"""The regularisation weight, and m, the steps of the relaxation."""


def hull(N: int, F: int, K: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Codewords N(0, 0.3^2); latents convex combinations with weights uniform^60, normalised, plus N(0, 0.03^2)."""
    generator = torch.Generator().manual_seed(0)
    codebook = 0.3 * torch.randn(K, F, generator=generator, dtype=torch.float64)
    # Made a few at a time: at K = 65,536 all weights at once are 4 GB.
    latents = torch.cat([_combined(rows, codebook, generator) for rows in torch.arange(N).split(2**26 // K)])
    latents += 0.03 * torch.randn(N, F, generator=generator, dtype=torch.float64)
    return latents.to(dtype), codebook.to(dtype)


def _combined(rows: Tensor, codebook: Tensor, generator: torch.Generator) -> Tensor:
    weights = torch.rand(len(rows), len(codebook), generator=generator, dtype=torch.float64) ** 60
    return weights / weights.sum(1, keepdim=True) @ codebook


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
    functions: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each function, after one call that is not counted; they take turns, so that a machine that
    slows down slows all of them. ``clock=time.process_time`` leaves out what a CPU did for other programs."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            _wait()
            start = clock()
            function()
            _wait()
            if turn:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def about() -> str:
    """The date, the machine and the versions, in a sentence."""
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "numba", "numpy"))
    return (
        f"{datetime.date.today().isoformat()}; {platform.machine()}, {psutil.cpu_count(logical=False)} cores, "
        f"{torch.get_num_threads()} torch threads; Python {platform.python_version()}, {versions}; load average "
        f"{psutil.getloadavg()[0]:.1f} at the end."
    )


def write(name: str, title: str, headings: Sequence[str], rows: Sequence[Sequence[object]], notes: str) -> Path:
    """Writes a table as Markdown and CSV, puts it into the page of docs/ where that has a place for it, prints it."""
    table = [
        f"| {' | '.join(headings)} |",
        "|---" * len(headings) + "|",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
    ]
    lines = [about(), "", *table, "", notes]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text("\n".join([f"# {title}", "", *lines, ""]))
    with path.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows([headings, *rows])
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    PAGE.write_text(place.sub(lambda found: "\n".join([found[1], *lines, "", found[2]]), PAGE.read_text()))
    print("\n".join([f"# {title}", "", *lines]))
    print(f"Written: {path}, {path.with_suffix('.csv')}, {PAGE}")
    return path
