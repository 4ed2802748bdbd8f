"""The figures of the report. Each is also a PNG and a PDF."""

from pathlib import Path

from validation.plots import backends, held_out
from validation.plots.panel import Panel
from validation.plots.sections import SECTIONS
from validation.plots.style import figure, save, style
from validation.record import Record


def draw_all(record: Record, folder: Path) -> dict[str, list[Panel]]:
    """Draws what the record has data for, by section of the report, and writes PNG and PDF into ``folder``."""
    panels: dict[str, list[Panel]] = {section: [] for section in (*SECTIONS, "backends", "pictures")}
    with style():
        for section, entries in SECTIONS.items():
            for name, caption, draw in entries:
                drawing, axes = figure()
                if draw(record, axes):
                    panels[section].append(Panel(name, caption, save(drawing, folder, name)))
        for problem in backends.problems(record.rows):
            family, F, K = problem
            where = f"{family}, F = {F}, K = {K}"
            for name, draw, what in (
                ("weights", backends.weights_accuracy, "the weights"),
                ("gradient", backends.gradient_accuracy, "the codebook's gradient"),
            ):
                drawing, axes = figure()
                if draw(record.rows, problem, axes):
                    caption = f"Error of {what} against time, {where}. Lower left is better."
                    name = f"backends_{family}_{F}x{K}_{name}"
                    panels["backends"].append(Panel(name, caption, save(drawing, folder, name)))
        drawing = held_out.reconstructions(record)
        if drawing is not None:
            caption = "Held-out pictures, spread evenly over the test set, and their reconstructions."
            panels["pictures"].append(Panel("reconstructions", caption, save(drawing, folder, "reconstructions")))
    return panels
