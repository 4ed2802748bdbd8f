"""What the figures of a comparison share: which rows go together, and how each backend looks."""

from collections.abc import Sequence
from dataclasses import dataclass

from scq.validation.comparison.rows import Row

FLOOR = 1e-16
"""Errors below float64's rounding are drawn here: a logarithm has no zero."""

_STYLES = {
    "active_set": ("#0072B2", "o"),
    "interior_point": ("#4A4A4A", "p"),
    "relaxed": ("#D55E00", "s"),
    "cvxpylayers": ("#009E73", "^"),
    "qpth": ("#CC79A7", "D"),
    "daqp": ("#A67C00", "v"),
    "clarabel": ("#56B4E9", "P"),
    "proxqp": ("#7F3C8D", "X"),
    "moreau": ("#882255", "h"),
}
_OTHERS = (("#8A8A8A", "<"), ("#000000", "*"), ("#117733", ">"), ("#AA4499", "8"))


@dataclass(frozen=True)
class Problem:
    """What rows have in common that may stand in one figure."""

    family: str
    features: int
    codewords: int

    @property
    def title(self) -> str:
        return f"{self.family}, F = {self.features}, K = {self.codewords}"

    @property
    def name(self) -> str:
        """For the name of a file."""
        return f"{self.family}_{self.features}x{self.codewords}"

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Its own; of problems that were dumped in training those of the last step."""
        every_step = self.all_rows(rows)
        steps = [row.step for row in every_step if row.step is not None]
        return [row for row in every_step if not steps or row.step == max(steps)]

    def all_rows(self, rows: Sequence[Row]) -> list[Row]:
        """Its own, of every step."""
        return [row for row in rows if Problem(row.family, row.features, row.codewords) == self]


def problems(rows: Sequence[Row]) -> list[Problem]:
    """The problems that were compared on, in the order measured."""
    return list(dict.fromkeys(Problem(row.family, row.features, row.codewords) for row in rows))


def looks(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each backend among the rows."""
    others = iter(_OTHERS)
    return {name: _STYLES.get(name) or next(others, _OTHERS[-1]) for name in dict.fromkeys(r.backend for r in rows)}


def heading(problem: Problem) -> str:
    """Its title at the start of a sentence."""
    return f"{problem.title[0].upper()}{problem.title[1:]}"
