"""The cells of a study, run one after the other; what is finished is not run again."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress, TaskID

from scq.training import load_run
from scq.training.folder import TEST, finished
from scq.training.model import pick_device
from validation.attempts import attempt, check_resumed
from validation.files import read_json, write_json
from validation.memory import PeakMemory
from validation.studies.plan import Cell, weight_setting

MEMORY = "memory.json"

_SETTLED_BY_FOLDER = ("out", "name", "data_root", "device")


class Runner:
    """Runs cells until the time is up, and remembers what became of each.

    Args:
        bar: the progress bar, and its task, which has one step a cell.
        minutes: no cell is started after so many; None for no limit.
        save: is given all rows after each cell that was run now, and after the last.

    Attributes:
        rows: one for each cell that was run, now or before: what it was, its state, and its numbers.
        stopped: whether time ran out before a cell.
    """

    def __init__(
        self, bar: Progress, task: TaskID, minutes: float | None, save: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.stopped = False
        self._bar, self._task, self._save = bar, task, save
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def run(self, cells: Iterable[Cell]) -> list[dict[str, Any]]:
        """The rows of these cells, of as many as there was time for.

        Raises:
            ValueError: a finished run that is not the cell's.
        """
        rows = []
        for cell in cells:
            new = not _complete(cell.run)
            if new:
                if self._end is not None and time.monotonic() > self._end:
                    self.stopped = True
                    continue
                self._bar.update(self._task, description=f"{cell.stage}: {cell.config.name}")
            rows.append(self._row(cell))
            self.rows.append(rows[-1])
            if new:
                self._save(self.rows)
            self._bar.advance(self._task)
        self._save(self.rows)
        return rows

    def _row(self, cell: Cell) -> dict[str, Any]:
        weight = weight_setting(cell.config.quantizer)
        row: dict[str, Any] = {"stage": cell.stage, "run": f"{cell.stage}/{cell.config.name}"}
        row |= {name: getattr(cell.config, name) for name in ("data", "codebook_size", "quantizer", "seed")}
        row |= dataclasses.asdict(cell.choice)
        row |= {"weight_name": weight, "weight": getattr(cell.config, weight) if weight else None}
        if _complete(cell.run):
            check_resumed(cell.run, cell.config, _SETTLED_BY_FOLDER)
            outcome: dict[str, Any] = {"state": "done"}
        else:
            outcome = attempt(cell.config, progress=False, console=self._bar.console)
            outcome.pop("seconds", None)
        if outcome["state"] == "done":
            outcome["test"] = read_json(cell.run / TEST) | {"memory": _memory(cell)}
        return row | outcome


def _complete(run: Path) -> bool:
    return finished(run) and (run / MEMORY).is_file()


def _memory(cell: Cell) -> int:
    """Bytes at the peak of one training step, forward and backward, above what the process had before it."""
    path = cell.run / MEMORY
    if not path.is_file():
        write_json(path, {"step": _step_memory(cell)})
    return read_json(path)["step"]


def _step_memory(cell: Cell) -> int:
    device = pick_device(cell.config.device)
    model = load_run(cell.run)[1].to(device).train()
    # What the pictures show changes nothing in what is allocated.
    pictures = torch.rand(cell.config.batch_size, 3, 32, 32, device=device) - 0.5

    def step() -> None:
        output = model(pictures)
        (output.reconstruction.square().mean() + output.quantized.loss).backward()

    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with PeakMemory() as memory:
        step()
    return memory.grown
