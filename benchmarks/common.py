"""What the benchmarks share: medians, the machine, and the table that is written."""

import datetime
import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import torch

RESULTS = Path(__file__).parent / "results"


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """The median of ``repeats`` timed calls, after one that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def write(name: str, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], notes: str) -> Path:
    """Writes and prints a Markdown table."""
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "numba", "numpy"))
    machine = f"{platform.machine()}, {psutil.cpu_count(logical=False)} cores, {torch.get_num_threads()} torch threads"
    lines = [
        f"# {title}",
        "",
        f"{datetime.date.today().isoformat()}; {machine}; Python {platform.python_version()}, {versions}; load average "
        f"{psutil.getloadavg()[0]:.1f} at the end.",
        "",
        f"| {' | '.join(headings)} |",
        "|---" * len(headings) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        notes,
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text("\n".join(lines))
    print("\n".join(lines))
    print(f"Written: {path}")
    return path
