"""Tables that are shown in several places: the terminal, Markdown, HTML."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console

from scq.training.terminal_table import terminal_table

NOTHING = "—"


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number that it sorts by; text sorts as text."""

    text: str
    number: float | int | None = None


@dataclass(frozen=True)
class Table:
    """Headings and rows of equally many cells, and what stands above them."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers, and so are set to the right."""
        return tuple(any(row[i].number is not None for row in self.rows) for i in range(len(self.headings)))

    def markdown(self) -> str:
        """The table in GitHub's Markdown."""
        return markdown(self.headings, ((cell.text for cell in row) for row in self.rows), self.numeric)

    def transposed(self) -> "Table":
        """Columns as rows, for few long rows in a narrow terminal; the first column becomes the headings."""
        headings = (self.headings[0], *(row[0].text for row in self.rows))
        rows = ((text(self.headings[i]), *(row[i] for row in self.rows)) for i in range(1, len(self.headings)))
        return table(self.caption, headings, rows)

    @property
    def without_holes(self) -> "Table":
        """Without the rows that have nothing but dashes after their first cell."""
        kept = (row for row in self.rows if any(cell.text != NOTHING for cell in row[1:]))
        return table(self.caption, self.headings, kept)

    def show(self, console: Console) -> None:
        """Prints the table, whatever the width of the terminal."""
        rows = [[cell.text for cell in row] for row in self.rows]
        console.print(terminal_table(console.width, self.headings, rows, self.numeric, self.caption))


def number(value: float | int | None, digits: int = 3, scale: float = 1.0) -> Cell:
    """A number with so many significant digits, or a dash when there is none."""
    if value is None or math.isnan(value):
        return Cell(NOTHING)
    value = value * scale
    if math.isinf(value):
        return Cell("∞" if value > 0 else "-∞", value)
    if value == 0:
        return Cell("0", value)
    if not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
        return Cell(f"{mantissa}e{int(exponent)}", value)
    rounded = float(f"{value:.{digits - 1}e}")  # 99.96 becomes 100, which has one decimal less
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return Cell(f"{value:,.{decimals}f}", value)


def spread_cell(values: Sequence[float | None], digits: int = 3, scale: float = 1.0) -> Cell:
    """Mean and sample standard deviation of the numbers that are there: of one the number alone, of none a dash."""
    present = [value for value in values if value is not None and math.isfinite(value)]
    if not present:
        return Cell(NOTHING)
    mean = number(statistics.fmean(present), digits, scale)
    if len(present) == 1:
        return mean
    return Cell(f"{mean.text} ± {number(statistics.stdev(present), 2, scale).text}", mean.number)


def count(value: int | None) -> Cell:
    """A whole number with all of its digits, or a dash when there is none."""
    return Cell(NOTHING) if value is None else Cell(str(value), value)


def text(value: object) -> Cell:
    """Anything as it prints."""
    return Cell(str(value) if value not in (None, "") else NOTHING)


def table(caption: str, headings: Iterable[str], rows: Iterable[Iterable[Cell]]) -> Table:
    """A table of any iterables."""
    return Table(caption, tuple(headings), tuple(tuple(row) for row in rows))


def markdown(headings: Sequence[str], rows: Iterable[Iterable[str]], numeric: Sequence[bool] = ()) -> str:
    """Text as a table in GitHub's Markdown; columns that are ``numeric`` are set to the right."""
    rules = ["---:" if right else "---" for right in numeric or [False] * len(headings)]
    lines = [headings, rules, *rows]
    return "".join("| " + " | ".join(map(_escape, line)) + " |\n" for line in lines)


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
