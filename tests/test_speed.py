"""Ratios of times, twice what was measured: a guard against what would cost users several times as much.

Of CPU time on one thread, which what else this machine does hardly changes. What its host does may: once the exact
solve took 2.6 times its usual time there while the relaxation took its own. Hence up to three rounds: a slower solver
is slow in all of them. The figures for users are in docs/speed.md.
"""

import time

import pytest
import torch
from common import both, forward, medians, plain_relaxation, relaxation_both
from threads import torch_threads

from scq.solvers.synthetic import hull

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("N", "F", "K", "most_forward", "most_both"),
    [(4096, 16, 128, 6.0, 1.5), (2048, 64, 512, 10.0, 2.5), (2048, 8, 1024, 1.0, 0.3)],
)
def test_exact_stays_near_the_price_of_the_relaxation(
    N: int, F: int, K: int, most_forward: float, most_both: float
) -> None:
    problem = hull(N, F, K, torch.float32)
    calls = {
        "relaxed": lambda: plain_relaxation(*problem),
        "exact": lambda: forward(*problem),
        "relaxed both": lambda: relaxation_both(*problem),
        "exact both": lambda: both(*problem),
    }
    rounds = []
    for _ in range(3):
        with torch_threads(1):
            seconds = medians(calls, 5, lambda _: time.process_time())
        rounds.append((seconds["exact"] / seconds["relaxed"], seconds["exact both"] / seconds["relaxed both"]))
        if rounds[-1][0] <= most_forward and rounds[-1][1] <= most_both:
            return
    pytest.fail(f"exact over relaxed, forward and with its derivative: {rounds}")
