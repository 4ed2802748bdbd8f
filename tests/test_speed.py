"""Ratios of times, twice what was measured: a guard against what would cost users several times as much.

Of CPU time on one thread, which what else the machine does hardly changes. The figures for users are in docs/speed.md.
"""

import time

import pytest
from common import both, forward, hull, medians, plain_relaxation, relaxation_both
from threads import torch_threads

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("N", "F", "K", "most_forward", "most_both"),
    [(4096, 16, 128, 6.0, 1.5), (2048, 64, 512, 10.0, 2.5), (2048, 8, 1024, 1.0, 0.3)],
)
def test_exact_stays_near_the_price_of_the_relaxation(
    N: int, F: int, K: int, most_forward: float, most_both: float
) -> None:
    problem = hull(N, F, K)
    calls = {
        "relaxed": lambda: plain_relaxation(*problem),
        "exact": lambda: forward(*problem),
        "relaxed both": lambda: relaxation_both(*problem),
        "exact both": lambda: both(*problem),
    }
    with torch_threads(1):
        seconds = medians(calls, 5, lambda _: time.process_time())
    assert seconds["exact"] <= most_forward * seconds["relaxed"], seconds
    assert seconds["exact both"] <= most_both * seconds["relaxed both"], seconds
