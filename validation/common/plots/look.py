"""How each of many is drawn."""

from dataclasses import dataclass

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5A5A5A")
"""Okabe and Ito's, but for the yellow, which white paper swallows."""

_DASHES = ("solid", (0, (4.0, 1.5)), (0, (1.2, 1.2)))
_MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True)
class Look:
    """How one of many is drawn, told by more than its colour."""

    colour: str
    dashes: str | tuple[int, tuple[float, ...]]
    marker: str


def look(number: int) -> Look:
    """The look of the first, second, ... of many."""
    return Look(
        _COLOURS[number % len(_COLOURS)],
        _DASHES[number // len(_COLOURS) % len(_DASHES)],
        _MARKERS[number % len(_MARKERS)],
    )
