"""The figures of the report. Each is also a PNG and a PDF."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from scq.validation.common.plots.panel import Panel
from scq.validation.common.plots.style import figure, save, style
from scq.validation.comparison.plots import backends, iterations
from scq.validation.comparison.plots.problem import Problem, problems
from scq.validation.comparison.rows import Row
from scq.validation.paired.plots.sections import MADE, SECTIONS, Caption
from scq.validation.paired.record import Record

Draw = Callable[[Sequence[Row], Problem, Axes], bool]
Answer = Callable[[Sequence[Row], Problem], str]

_OF_PROBLEMS: tuple[tuple[str, Draw, Answer], ...] = (
    ("weights", backends.weights_accuracy, backends.weights_answer),
    ("gradient", backends.gradient_accuracy, backends.gradient_answer),
    ("convergence", iterations.convergence, iterations.convergence_answer),
    ("iterations", iterations.iterations_over_training, iterations.iterations_over_training_answer),
    ("residuals", iterations.residuals_over_training, iterations.residuals_over_training_answer),
)
"""For each problem of a comparison: name, what draws, and the caption, a question and its answer."""


def draw_all(record: Record, folder: Path) -> dict[str, list[Panel]]:
    """Draws what the record has data for, by section of the report, and writes PNG and PDF into ``folder``."""
    panels: dict[str, list[Panel]] = {section: [] for section in (*MADE, *SECTIONS, "backends")}
    with style():
        for section, entries in MADE.items():
            for name, caption, make in entries:
                drawing = make(record)
                if drawing is not None:
                    panels[section].append(Panel(name, _said(caption, record), save(drawing, folder, name)))
        for section, entries in SECTIONS.items():
            for name, caption, draw in entries:
                drawing, axes = figure()
                if draw(record, axes):
                    panels[section].append(Panel(name, _said(caption, record), save(drawing, folder, name)))
        for problem in problems(record.rows):
            for kind, draw, answer in _OF_PROBLEMS:
                drawing, axes = figure(large=True)
                if draw(record.rows, problem, axes):
                    name = f"backends_{problem.name}_{kind}"
                    caption = answer(record.rows, problem)
                    panels["backends"].append(Panel(name, caption, save(drawing, folder, name)))
    return panels


def _said(caption: Caption, record: Record) -> str:
    return caption if isinstance(caption, str) else caption(record)
