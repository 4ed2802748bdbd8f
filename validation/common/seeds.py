"""How many seeds numbers are of, in words: one seed has no spread, and nobody is told that it has."""

from collections.abc import Iterable

SPREAD = "mean ± standard deviation"

CHANCE = "the spread between seeds was not measured, and a few tenths of a decibel may be chance."
"""What numbers of one seed do not show, after "One seed: "."""


def over_seeds(numbers: Iterable[int], what: str = SPREAD) -> str:
    """``what`` over so many seeds.

    Args:
        numbers: of seeds, of each thing that is shown; 0 is of nothing that is shown.
        what: as the mean.
    """
    found = sorted({number for number in numbers if number})
    if not found or found[-1] == 1:
        return "of one seed"
    return f"{what} over {found[0]}{f' to {found[-1]}' if len(found) > 1 else ''} seeds"
