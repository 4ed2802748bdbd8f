"""``scq data``: the list of data sets, and the download of one."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from scq.data.registry import DatasetInfo
from scq.training.terminal_table import terminal_table


def show(infos: Sequence[DatasetInfo], console: Console) -> None:
    """Prints what each data set is, and which ones can be downloaded."""
    notes = {info.name: f"; download: scq data {info.name}" if info.downloader else "" for info in infos}
    console.print(terminal_table(console.width, (), [(info.name, info.title + notes[info.name]) for info in infos]))


def download(info: DatasetInfo, root: Path | None, console: Console) -> Path:
    """Downloads a data set with a progress bar; what it raises is what ``info.download`` does."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(info.name, total=None)
        return info.download(root, lambda done, total: bar.update(task, completed=done, total=total))
