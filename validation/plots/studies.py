"""Figures of a study: the quantizers beside each other, and the codebooks that start collapsed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from validation.metrics import Metric
from validation.plots.panel import Panel
from validation.plots.style import SOFT, log_axis, save, steps_axis, style
from validation.studies.record import StressRun, StudyRecord
from validation.studies.summary import COLLAPSED_BELOW, Summary
from validation.studies.tables import SHOWN

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5A5A5A")
"""Okabe and Ito's, but for the yellow, which white paper swallows."""

_DASHES = ("solid", (0, (4.0, 1.5)), (0, (1.2, 1.2)))
_MARKERS = ("o", "s", "^", "D")
_WIDTH = 6.4

_CAPTIONS = {
    "mse": "Mean squared error of held-out pictures at scale [0, 1]; soft codes carry more bits than hard ones",
    "psnr": "Peak signal-to-noise ratio of held-out pictures; the axis does not start at zero",
    "hard_perplexity": "Perplexity of the hard codes of all held-out latents",
    "hardening": "What the error grows by when only the codeword of the largest weight is kept",
    "tightness": "Mean distance of the weights to their nearest vertex of the simplex; 0 is a hard code",
    "pictures_per_second": "Speed of the forward pass at test time",
    "memory": "Peak memory of one training step, above what the process had before",
}


def draw_study(record: StudyRecord, folder: Path) -> dict[str, list[Panel]]:
    """Draws what the record has data for, and writes PNG and PDF into ``folder``.

    Returns:
        The figures by section: "results" and "stress".
    """
    panels: dict[str, list[Panel]] = {"results": [], "stress": []}
    with style():
        for data in dict.fromkeys(summary.data for summary in record.summaries):
            here = [
                s for s in record.summaries if s.data == data and {name for name, _ in s.varied} <= {"codebook_size"}
            ]
            for name, caption in _CAPTIONS.items():
                drawing = _dots(here, SHOWN[name])
                if drawing is not None:
                    full = f"{data}: {caption[0].lower()}{caption[1:]}. Mean and standard deviation over seeds."
                    panels["results"].append(Panel(f"{data}_{name}", full, save(drawing, folder, f"{data}_{name}")))
        if record.stress:
            caption = (
                f"Codebooks of {record.stress[0].size:,} codewords from a start with all of them far from the "
                f"latents: hard perplexity and codewords used of each logged batch. Below the dotted line, a tenth of "
                f"the largest perplexity that a batch of {record.stress[0].ceiling:,} codes can have, a codebook "
                "counts as collapsed."
            )
            panels["stress"].append(Panel("stress", caption, save(_curves(record.stress), folder, "stress")))
    return panels


def _dots(summaries: Sequence[Summary], metric: Metric) -> Figure | None:
    """A line for each arm, a marker for each size, faint ones for the seeds."""
    there = [summary for summary in summaries if metric.name in summary.numbers]
    if not there:
        return None
    names = list(dict.fromkeys(summary.arm for summary in there))
    sizes = sorted({summary.size for summary in there})
    height = 0.9 + 0.27 * len(names)
    drawing = Figure(figsize=(_WIDTH, height))
    # The room for labels is the same at every height.
    axes = drawing.add_axes((0.25, 0.52 / height, 0.72, 1 - 0.86 / height))
    shift = 0.34 / len(sizes)
    for number, size in enumerate(sizes):
        own = [summary for summary in there if summary.size == size]
        y = np.array([names.index(summary.arm) for summary in own]) + shift * (number - (len(sizes) - 1) / 2)
        spreads = [summary.numbers[metric.name] for summary in own]
        colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
        for at, spread in zip(y, spreads, strict=True):
            values = np.array(spread.values) * metric.scale
            axes.plot(values, np.full(len(values), at), marker, color=colour, markersize=3, alpha=0.35)
        axes.errorbar(
            [spread.mean * metric.scale for spread in spreads],
            y,
            xerr=[(spread.deviation or 0.0) * metric.scale for spread in spreads],
            fmt=marker,
            color=colour,
            markersize=5.5,
            linewidth=1.2,
            label=f"K {size}",
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(metric.title)
    means = [summary.numbers[metric.name].mean for summary in there]
    if min(means) > 0 and max(means) > 20 * min(means):
        log_axis(axes, "x")
    drawing.legend(loc="upper left", ncols=len(sizes), borderaxespad=0.2)
    return drawing


def _curves(runs: Sequence[StressRun]) -> Figure:
    """Hard perplexity and codewords used beside each other; colour and dashes are the arm."""
    drawing = Figure(figsize=(9.2, 4.3))
    left, right = drawing.add_axes((0.07, 0.12, 0.33, 0.84)), drawing.add_axes((0.47, 0.12, 0.33, 0.84))
    _lines(left, runs, lambda run: run.perplexity)
    left.axhline(COLLAPSED_BELOW * runs[0].ceiling, color=SOFT, linestyle=(0, (1, 2)), linewidth=1.0)
    left.set_ylabel("hard perplexity of the batch, codewords")
    _lines(right, runs, lambda run: run.active)
    right.set_ylabel("codewords used by the batch")
    handles, labels = left.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="center right", borderaxespad=0.3, handlelength=2.6)
    return drawing


def _lines(axes: Axes, runs: Sequence[StressRun], values: Callable[[StressRun], np.ndarray]) -> None:
    for number, run in enumerate(runs):
        colour, dashes = COLOURS[number % len(COLOURS)], _DASHES[number // len(COLOURS) % len(_DASHES)]
        axes.plot(run.steps, values(run), color=colour, linestyle=dashes, label=run.arm)
    steps_axis(axes)
    log_axis(axes)
