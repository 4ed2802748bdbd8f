"""The figures of a comparison, drawn but not written: what they show, and what their captions answer."""

from typing import Any

import pytest

from scq.validation.common.plots.style import figure
from scq.validation.comparison.plots.backends import gradient_answer, weights_accuracy, weights_answer
from scq.validation.comparison.plots.iterations import (
    convergence,
    iterations_over_training,
    iterations_over_training_answer,
    residuals_over_training,
    residuals_over_training_answer,
)
from scq.validation.comparison.plots.problem import Problem, problems
from scq.validation.comparison.rows import Outcome, Row

HULL = Problem("hull", 4, 12)


def row(backend: str, microseconds: float = 10.0, error: float = 1e-12, **fields: Any) -> Row:
    known = {"family": "hull", "dtype": "float64", "lam": 0.1, "columns": 10, "features": 4, "codewords": 12}
    seconds = microseconds * 1e-6 / 2
    measured = {"forward": seconds, "backward": seconds, "weights_error_max": error, "codebook_gradient_error": error}
    measured |= {"forwards": [0.9 * seconds, 1.1 * seconds], "backwards": [0.9 * seconds, 1.1 * seconds]}
    return Row(backend, outcome=Outcome.OK, **known | measured | fields)


def test_the_caption_names_the_fastest_that_is_accurate_and_who_is_not() -> None:
    rows = [
        row("relaxed", 5.0, 0.5),
        row("active_set", 10.0),
        row("active_set", 8.0, preset="low"),
        row("qpth", 800.0, 1e-9),
        row("qpth", 700.0, 0.01, variant="in float32"),
        row("daqp", 1.0, statuses={"FAILED": 10}),
        row("clarabel", 1.0, dtype="float32"),
    ]
    answer = weights_answer(rows, HULL)
    assert (
        "Hull, F = 4, K = 12: fastest with weights within 1e-6 is active_set, 8.00 (7.20 to 8.80) µs a column" in answer
    )
    assert "; next qpth, 100.0 times as long." in answer
    assert "Not within it: relaxed, qpth (in float32), daqp. In float32, fastest with weights within 1e-6 is" in answer
    assert "none has ∂L/∂C within 1e-3" in gradient_answer([row("relaxed", error=0.5)], HULL)


def test_the_caption_speaks_of_the_precision_of_training_too() -> None:
    rows = [row("active_set", 10.0, 1e-9), row("active_set", 8.0, 0.01, dtype="float32")]
    rows += [row("interior_point", 20.0, 1e-5, dtype="float32")]
    answer = gradient_answer(rows, HULL)
    assert "fastest with ∂L/∂C within 1e-3 is active_set, 10.0" in answer
    assert "In float32, fastest with ∂L/∂C within 1e-3 is interior_point, 20.0" in answer
    assert answer.endswith("Not within it: active_set.")


def test_backends_whose_times_overlap_are_not_ranked() -> None:
    answer = weights_answer([row("active_set", 10.0), row("qpth", 11.0), row("daqp", 40.0)], HULL)
    assert "10.0 (9.00 to 11.0) µs a column; not told apart from it by their times: qpth." in answer
    assert "times as long" not in answer


def test_the_range_of_the_times_is_a_line_through_the_point() -> None:
    _, axes = figure(large=True)
    assert weights_accuracy([row("qpth", 10.0)], HULL, axes)
    (span,) = [line for line in axes.lines if line.get_linestyle() == "-" and len(set(line.get_xdata())) == 2]
    assert list(span.get_xdata()) == pytest.approx([9.0, 11.0])


def test_a_file_without_repeats_is_shown_and_ranks_nothing() -> None:
    old = {"forwards": (), "backwards": ()}
    answer = weights_answer([row("active_set", 10.0, **old), row("qpth", 800.0, **old)], HULL)
    assert "active_set, 10.0 µs (spread not kept) a column; not told apart from it by their times: qpth." in answer


def test_a_point_for_every_row_and_a_name_for_every_backend() -> None:
    rows = [row("qpth", preset="low"), row("qpth", preset="high"), row("qpth", variant="in float32"), row("mine")]
    _, axes = figure(large=True)
    assert weights_accuracy(rows, HULL, axes)
    assert sum(line.get_linestyle() == "None" for line in axes.lines) == 4
    assert {text.get_text() for text in axes.texts} == {"qpth", "mine"}
    assert not weights_accuracy([row("qpth", forward=None, forwards=(), backwards=())], HULL, figure()[1])


def test_of_the_steps_of_a_training_the_last_is_compared_and_all_are_followed() -> None:
    rows = [row("active_set", step=step, iterations=step / 10, kkt_max=1e-12 * step) for step in (200, 100)]
    (problem,) = problems(rows)
    assert [found.step for found in problem.rows(rows)] == [200]
    for draw in (iterations_over_training, residuals_over_training):
        _, axes = figure()
        assert draw(rows, problem, axes)
        (line,) = axes.lines
        assert list(line.get_xdata()) == [100, 200]
    assert "active_set 10 to 20." in iterations_over_training_answer(rows, problem)
    assert "active_set 2e-10." in residuals_over_training_answer(rows, problem)


@pytest.mark.parametrize("draw", [convergence, iterations_over_training])
def test_without_its_numbers_a_figure_is_left_out(draw: Any) -> None:
    assert not draw([row("active_set", iterations=3.0)], HULL, figure()[1])


def test_the_curve_of_the_tightest_tolerance_is_drawn() -> None:
    rows = [row("qpth", tol=tol, curve=[[1, 0.5, 0.7], [7, tol, 2 * tol]]) for tol in (1e-4, 1e-9, 1e-6)]
    _, axes = figure()
    assert convergence(rows, HULL, axes)
    median, largest = axes.lines
    assert list(median.get_ydata()) == [0.5, 1e-9] and list(largest.get_ydata()) == [0.7, 2e-9]
