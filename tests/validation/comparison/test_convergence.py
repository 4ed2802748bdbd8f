"""Curves by iteration: what a backend holds when it is stopped, not the anchor that a failed column gets."""

import pytest

from scq import solvers
from scq.solvers.registry import get
from scq.validation.comparison.measuring.convergence import curve
from scq.validation.comparison.measuring.families import ProblemSpec
from scq.validation.comparison.plots.iterations import convergence_answer
from scq.validation.comparison.plots.problem import Problem
from scq.validation.comparison.rows import Outcome, Row

PROBLEM = ProblemSpec("hull", 6, 4, 20, "float64", 0.1, 0).make()


@pytest.mark.parametrize("backend", ["interior_point", "active_set"])
def test_an_exact_backend_ends_solved(backend: str) -> None:
    points = curve(get(backend), PROBLEM, {"tol": 1e-9}, seconds=60.0)
    counts, medians, largest = zip(*points, strict=True)
    assert counts[0] == 1 and list(counts) == sorted(counts)
    assert largest[0] > 1e-3 and largest[-1] <= 1e-9
    assert all(median <= most for median, most in zip(medians, largest, strict=True))


def test_the_curve_of_the_interior_point_is_its_history() -> None:
    history = solvers.solve(PROBLEM, "interior_point", history=True).history
    assert history is not None
    (count, _, largest), *_ = curve(get("interior_point"), PROBLEM, {"tol": 1e-9}, seconds=60.0)
    assert count == 1
    # The polish after the one step may have improved on it, or not.
    assert largest <= float(history.relative[0].max()) * (1 + 1e-6)


def test_the_relaxation_is_stopped_after_steps() -> None:
    points = curve(get("relaxed"), PROBLEM, {"tol": None}, seconds=60.0)
    steps = {count: largest for count, _, largest in points}
    assert set(steps) >= {1, 2, 20, 1000}
    certified = solvers.solve(PROBLEM, "relaxed", steps=20).residuals.relative.max()
    assert steps[20] == pytest.approx(float(certified))


def test_no_time_gives_one_point_at_most() -> None:
    assert curve(get("interior_point"), PROBLEM, {"tol": 1e-9}, seconds=-1.0) == []


def test_the_caption_says_who_gets_there_and_who_does_not() -> None:
    def row(backend: str, last: float, tol: float = 1e-9) -> Row:
        known = {"family": "hull", "dtype": "float64", "lam": 0.1, "columns": 6, "features": 4, "codewords": 20}
        return Row(backend, outcome=Outcome.OK, tol=tol, curve=[[1, 0.5, 0.7], [10, last, last]], **known)

    rows = [row("relaxed", 0.1), row("qpth", 1e-3, tol=1e-4), row("qpth", 1e-12), row("active_set", 1e-15)]
    answer = convergence_answer(rows, Problem("hull", 4, 20))
    assert "within 1e-9 after: active_set 10, qpth 10." in answer
    assert "Not at all: relaxed." in answer
