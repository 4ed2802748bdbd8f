"""The progress of work that is done cell by cell: a bar, or lines where no bar is seen."""

import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scq.training.terminal import animated, duration, say


class CellProgress(Progress):
    """Cells done, time passed and left, and the cell under way: a bar in a terminal; otherwise a line for each cell
    that is done.

    Args:
        title: of the whole.
        total: how many cells it has.
        disable: shows neither.
    """

    def __init__(self, title: str, total: int, disable: bool) -> None:
        bar = animated()
        super().__init__(
            TextColumn(title),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            disable=disable or not bar,
        )
        self._lines = not (disable or bar)
        self._title, self._total, self._done, self._now = title, total, 0, 0
        self._began = time.monotonic()
        self._task = self.add_task("", total=total)

    def begin(self, cell: str) -> None:
        """A cell is under way."""
        self.update(self._task, description=cell)

    def skip(self, cells: int = 1) -> None:
        """So many cells were done before."""
        self._done += cells
        self.advance(self._task, cells)

    def end(self, cell: str, outcome: str) -> None:
        """A cell is done."""
        self._now += 1
        self.skip()
        if self._lines:
            left = duration((time.monotonic() - self._began) / self._now * (self._total - self._done))
            say(f"{self._title}: {self._done} of {self._total}  {cell}: {outcome}  {left} left")
