"""One cell of a comparison: the worker's process, watched from outside."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from scq.solvers.registry import BackendInfo
from scq.validation.comparison.plan import PlannedRow
from scq.validation.comparison.rows import Outcome

_WORKER = "scq.validation.comparison.measuring.worker"

_TIMING_SHARE = 1 / 4
"""Of the time limit, for the timing and once more for the convergence by iteration; the rest is for starting, the first
solves and the reference."""


def measure(cell: PlannedRow, repeats: int, time_limit: float, again: bool = False) -> dict[str, Any]:
    """The measured fields of a :class:`scq.validation.comparison.rows.Row`, as far as the worker came within the time
    limit.

    Args:
        cell: what is measured.
        repeats: timings.
        time_limit: seconds, start of the process included.
        again: only the times, for a further round.
    """
    try:
        entry = _portable(cell.info)
    except ValueError as error:
        return {"outcome": Outcome.FAILED, "note": str(error)}
    with tempfile.TemporaryDirectory() as scratch:
        job, results, output = (Path(scratch) / name for name in ("job.json", "results.jsonl", "output.txt"))
        job.write_text(
            json.dumps(
                {
                    "entry": entry,
                    "problem": dataclasses.asdict(cell.spec),
                    "options": cell.options,
                    "tol": cell.tol,
                    "curve": cell.curved,
                    "again": again,
                    "repeats": repeats,
                    "seconds": time_limit * _TIMING_SHARE,
                }
            )
        )
        results.touch()
        code = _run(
            [sys.executable, "-m", _WORKER, str(job), str(results)],
            output,
            time_limit,
        )
        # A line without its end was being written when the process was killed.
        lines = [json.loads(line) for line in results.read_text().splitlines(keepends=True) if line.endswith("\n")]
        fields = {name: value for line in lines for name, value in line.items()}
        doing = fields.pop("doing", "the start")
        if code is None:
            fields |= {"outcome": Outcome.TIME_LIMIT, "note": f"killed after {time_limit:g} s, during {doing}"}
        elif code != 0 or "outcome" not in fields:
            reason = f"killed by signal {-code}" if code < 0 else _last_line(output)
            fields |= {"outcome": Outcome.FAILED, "note": f"{reason}, during {doing}"}
        else:
            fields["outcome"] = Outcome(fields["outcome"])
    return fields


def _run(command: list[str], output: Path, time_limit: float) -> int | None:
    """The exit code, or None when the process was killed at the time limit; its children go with it."""
    # The child finds what this process finds, also a backend in a script's own folder.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    with output.open("wb") as sink:
        process = psutil.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment)
        try:
            return process.wait(time_limit)
        except psutil.TimeoutExpired:
            return None
        finally:
            _kill(process)


def _kill(process: psutil.Popen) -> None:
    if not process.is_running():
        return
    for child in [*process.children(recursive=True), process]:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def _last_line(output: Path) -> str:
    lines = output.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip()[:500] if lines else "ended without a word"


def _portable(info: BackendInfo) -> dict[str, Any]:
    """The entry as JSON, for another process to register.

    Raises:
        ValueError: the backend's function has no importable name.
    """
    entry = {field.name: getattr(info, field.name) for field in dataclasses.fields(info)}
    if not isinstance(info.run, str):
        module, name = getattr(info.run, "__module__", None), getattr(info.run, "__qualname__", "<nameless>")
        if module in (None, "__main__") or not name.isidentifier():
            raise ValueError(
                f"backend {info.name!r} is {module}.{name}, which another process cannot import; define its function "
                "at the top of a module"
            )
        entry["run"] = f"{module}:{name}"
    # Their mappings are read-only proxies, which JSON does not take.
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in entry.items()}
