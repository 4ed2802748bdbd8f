"""``scq data``: the list of data sets, and the download of one."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from scq.data.registry import DatasetInfo


def show(infos: Iterable[DatasetInfo], console: Console) -> None:
    """Prints what each data set is, and which ones can be downloaded."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for info in infos:
        note = f"; download: scq data {info.name}" if info.downloader else ""
        table.add_row(Text(info.name, "bold"), Text(info.title + note))
    console.print(table)


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
