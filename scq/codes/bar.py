"""How far it is, where that takes long enough to ask."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scq.training.terminal import animated

_LATE = 2.0
"""Seconds: what is done before needs no bar."""


class LateBar:
    """A bar in a terminal that comes after two seconds.

    Args:
        title: of it.
        shown: whether there is one at all.
    """

    def __init__(self, title: str, shown: bool) -> None:
        self._title, self._shown, self._began = title, shown and animated(), time.monotonic()
        self._bar: Progress | None = None

    def show(self, done: int, total: int) -> None:
        """So many of so many are done."""
        if not self._shown or (self._bar is None and time.monotonic() - self._began < _LATE):
            return
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
            times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
            self._bar = Progress(*columns, *times, console=Console(stderr=True))
            self._task = self._bar.add_task(self._title, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done)

    def __enter__(self) -> "LateBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
