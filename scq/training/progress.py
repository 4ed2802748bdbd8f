"""The progress of a run: a bar, or lines where no bar is seen."""

import time
from collections.abc import Mapping

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from scq.training.terminal import animated, duration, say


class TrainingProgress(Progress):
    """Steps, time left, and the last logged loss and KKT residual: a bar in a terminal; otherwise a line for each line
    of the log."""

    def __init__(self, title: str, steps: int, done: int, disable: bool) -> None:
        bar = animated()
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            disable=disable or not bar,
        )
        self._lines = not (disable or bar)
        self._title, self._steps, self._before, self._done = title, steps, done, done
        self._began = time.monotonic()
        self._task: TaskID = self.add_task(title, total=steps, completed=done, numbers="")

    def step(self) -> None:
        """One more step is done."""
        self._done += 1
        self.advance(self._task)

    def show(self, line: Mapping[str, int | float]) -> None:
        """Shows numbers of a line of the log."""
        numbers = f"loss {line['train/loss']:.4f}"
        if "kkt/relative" in line:
            numbers += f"  KKT {line['kkt/relative']:.1e}"
        self.update(self._task, numbers=numbers)
        if self._lines:
            each = (time.monotonic() - self._began) / (self._done - self._before)
            left = duration(each * (self._steps - self._done))
            say(f"{self._title}: step {self._done} of {self._steps}  {numbers}  {left} left")
