"""Tables on a terminal of any width, or on none: cells fold between words, and no word or number is ever cut."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def terminal_table(
    width: int, headings: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool] = (), caption: str = ""
) -> RenderableType:
    """A table, as wide as it is where there is room; folded between words where not; and where words do not fit side by
    side, row by row with a line for each cell.

    Args:
        width: columns of the terminal.
        headings: empty for none.
        rows: equally many cells each; the first is its name.
        numeric: which columns are set to the right.
        caption: stands above.
    """
    lines = [*([headings] if headings else []), *rows]
    columns = list(zip(*lines, strict=True))
    natural = [max(map(cell_len, column)) for column in columns]
    words = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    between = len(columns) - 1  # of the box
    above = [Text(caption, "italic")] if caption else []
    if sum(words) + between > width:
        return Group(*above, *(Text("\n").join(_by_lines(headings, row)) for row in rows))
    padding = int(sum(natural) + between + len(columns) <= width)
    table = Table(
        box=SIMPLE_HEAD, padding=(0, padding, 0, 0), pad_edge=False, show_edge=False, show_header=bool(headings)
    )
    widths = natural if padding else _folded(natural, words, width - between)
    for number, wide in enumerate(widths):
        right = bool(numeric) and numeric[number]
        style = "bold" if number == 0 else None
        table.add_column(
            headings[number] if headings else "", width=wide, justify="right" if right else "left", style=style
        )
    for row in rows:
        # Text, not str: brackets in a message are not markup.
        table.add_row(*map(Text, row))
    return Group(*above, table)


def _by_lines(headings: Sequence[str], row: Sequence[str]) -> list[Text]:
    name, *rest = row
    named = zip(headings[1:] or [""] * len(rest), rest, strict=True)
    return [Text(name, "bold"), *(Text(f"  {heading}: {cell}" if heading else f"  {cell}") for heading, cell in named)]


def _folded(natural: Sequence[int], words: Sequence[int], room: int) -> list[int]:
    """Widths of the columns: the widest that can be narrower gives way, until all fit."""
    widths = list(natural)
    while sum(widths) > room:
        widest = max((i for i in range(len(widths)) if widths[i] > words[i]), key=lambda i: widths[i])
        widths[widest] -= 1
    return widths
