"""The progress bar of work that is done cell by cell."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def cell_progress(title: str, disable: bool) -> Progress:
    """Cells done, time passed and left, and the description of the task, which is the cell under way."""
    return Progress(
        TextColumn(title),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        disable=disable,
    )
