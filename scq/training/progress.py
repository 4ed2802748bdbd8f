"""The progress bar of a run."""

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


class TrainingProgress(Progress):
    """Steps, time left, and the last logged loss and KKT residual."""

    def __init__(self, title: str, steps: int, done: int, disable: bool) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            disable=disable,
        )
        self._task: TaskID = self.add_task(title, total=steps, completed=done, numbers="")

    def step(self) -> None:
        """One more step is done."""
        self.advance(self._task)

    def show(self, line: Mapping[str, int | float]) -> None:
        """Shows numbers of a line of the log."""
        numbers = f"loss {line['train/loss']:.4f}"
        if "kkt/relative" in line:
            numbers += f"  KKT {line['kkt/relative']:.1e}"
        self.update(self._task, numbers=numbers)
