"""Cells go to workers; what is finished is not run again."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from scq.training.run import Run
from scq.validation.common.attempts import check_resumed
from scq.validation.common.progress import CellProgress
from scq.validation.studies.cells import PlannedRun, weight_setting
from scq.validation.studies.engines.base import Workers
from scq.validation.studies.work import complete, outcome_of, perform

_SETTLED_BY_FOLDER = ("out", "name", "data_root", "device")


class Runner:
    """Runs cells until the time is up, and remembers what became of each.

    Args:
        workers: who works on them.
        bar: the progress, which has one step a cell.
        minutes: no cell is started after so many; None for no limit.
        save: is given all rows after each cell that was run now, and after the last.

    Attributes:
        rows: one for each cell that was run, now or before, in the order of the plan: what it was, its state, and its
            numbers.
        stopped: whether time ran out before a cell.
    """

    def __init__(
        self,
        workers: Workers,
        bar: CellProgress,
        minutes: float | None,
        save: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.stopped = False
        self._workers, self._bar, self._save = workers, bar, save
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def run(self, cells: Iterable[PlannedRun]) -> list[dict[str, Any]]:
        """The rows of these cells, of as many as there was time for.

        Raises:
            ValueError: a finished run that is not the cell's.
        """
        cells = list(cells)
        before, rows = self.rows, {}
        todo = []
        for number, cell in enumerate(cells):
            check_resumed(cell.run, cell.config, _SETTLED_BY_FOLDER)
            if Run(cell.run).finished:  # also where a measure is missing, for which there may be no time now
                rows[number] = _row(cell) | outcome_of(cell)
            if complete(cell):
                self._bar.skip()
            else:
                todo.append(number)
        for number, outcome in self._work(cells, todo):
            rows[number] = _row(cells[number]) | outcome
            self.rows = before + [rows[key] for key in sorted(rows)]
            self._save(self.rows)
            self._bar.end(rows[number]["run"], outcome["state"])
        done = [rows[key] for key in sorted(rows)]
        self.rows = before + done
        self._save(self.rows)
        return done

    def _work(self, cells: list[PlannedRun], todo: list[int]) -> Iterable[tuple[int, dict[str, Any]]]:
        running: dict[Future[Any], int] = {}
        while todo or running:
            while todo and len(running) < self._workers.width:
                if self._end is not None and time.monotonic() > self._end:
                    self.stopped, todo = True, []
                    break
                number = todo.pop(0)
                cell = cells[number]
                self._bar.begin(f"{cell.stage}: {cell.config.name}")
                running[self._workers.submit(perform, cell)] = number
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), _outcome(future)


def _outcome(future: Future[Any]) -> dict[str, Any]:
    error = future.exception()
    if isinstance(error, Exception):  # the worker died, or could not write: a training that fails is an outcome
        return {"state": "failed", "error": f"no outcome: {type(error).__name__}: {error}"}
    return future.result()


def _row(cell: PlannedRun) -> dict[str, Any]:
    arm, data, varied = cell.place
    config, weight = cell.config, weight_setting(cell.config.quantizer)
    return {
        "stage": cell.stage,
        "run": f"{cell.stage}/{config.name}",
        "arm": arm,
        "data": data,
        "varied": dict(varied),
        "seed": config.seed,
        **{name: getattr(config, name) for name in SETTINGS},
        "learning_rate": cell.choice.learning_rate,
        "factor": cell.choice.factor,
        "weight_name": weight,
        "weight": getattr(config, weight) if weight else None,
    }


SETTINGS = (
    "quantizer",
    "backend",
    "codebook_size",
    "dim",
    "lam",
    "lam_end",
    "anneal_share",
    "relaxation_steps",
    "relaxation_projection",
    "steps",
)
"""Of a run, those that are columns of the table of all runs."""
