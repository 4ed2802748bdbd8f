"""The table of ``scq backends``, from the registry's entries alone."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from solvers.registry import BackendInfo

_WIDE = 110
"""Columns in which the table fits with a row on one line."""


def show(infos: Sequence[BackendInfo], console: Console) -> None:
    """Prints what each backend can do, what each is, and how to install what is missing."""
    # One word a line where the table would not fit: rich shortens words, and drops columns, when left to itself.
    space = " " if console.width >= _WIDE else "\n"
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("backend", "exact", "batched", "devices", "dtypes", "gradient", "accuracy", "here"):
        table.add_column(heading, no_wrap=True)
    for info in infos:
        cells = (
            _yes(info.exact),
            _yes(info.batched),
            space.join(info.devices),
            space.join(info.dtypes),
            space.join(info.gradient),
            space.join(_accuracy(info)),
            _yes(info.available),
        )
        table.add_row(Text(info.name, "bold"), *map(Text, cells))
    console.print(table)
    console.print()

    titles = Table.grid(padding=(0, 2, 0, 0))
    for info in infos:
        titles.add_row(Text(info.name, "bold"), Text(info.title))
    console.print(titles)

    console.print(
        "\naccuracy: the relative KKT residual promised for float32 and for float64 input; a relaxation promises none."
        "\ndtypes: those it computes in; an input of another one is solved in a wider one and cast back."
        "\ngradient: the first is the default.",
        highlight=False,
    )
    missing = [info for info in infos if not info.available]
    for info in missing:
        # Not wrapped: the command in it is there to be copied.
        console.print(Text(f"{info.name} is missing: {info.why_not}", "yellow"), soft_wrap=True)
    console.print(f"{len(infos) - len(missing)} of {len(infos)} backends can be used here.", highlight=False)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _accuracy(info: BackendInfo) -> list[str]:
    promised = [info.accuracy[dtype] for dtype in ("float32", "float64") if dtype in info.accuracy]
    return [f"{value:.0e}".replace("e-0", "e-") for value in promised] or ["none"]


def markdown(infos: Sequence[BackendInfo]) -> str:
    """The same table for the documentation, without what differs from machine to machine."""
    headings = ("backend", "what it is", "exact", "batched", "devices", "computes in", "gradient", "promises", "cite")
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for info in infos:
        cells = (
            f"`{info.name}`",
            info.title,
            _yes(info.exact),
            _yes(info.batched),
            ", ".join(info.devices),
            ", ".join(info.dtypes),
            ", ".join(info.gradient),
            ", ".join(_accuracy(info)),
            info.citation,
        )
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)
