"""Ratios of times, with slack for a noisy machine: a guard against what would cost users several times as much.

The figures themselves are in docs/speed.md.
"""

import pytest
from common import both, forward, hull, medians, plain_relaxation, relaxation_both

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("N", "F", "K", "most_forward", "most_both"),
    [(4096, 16, 128, 4.0, 2.0), (2048, 64, 512, 8.0, 2.5), (2048, 8, 1024, 1.0, 0.4)],
)
def test_exact_stays_near_the_price_of_the_relaxation(
    N: int, F: int, K: int, most_forward: float, most_both: float
) -> None:
    problem = hull(N, F, K)
    seconds = medians(
        {
            "relaxed": lambda: plain_relaxation(*problem),
            "exact": lambda: forward(*problem),
            "relaxed both": lambda: relaxation_both(*problem),
            "exact both": lambda: both(*problem),
        },
        5,
    )
    assert seconds["exact"] <= most_forward * seconds["relaxed"], seconds
    assert seconds["exact both"] <= most_both * seconds["relaxed both"], seconds
