"""Figures of arms beside each other. Spread is over seeds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from scq.validation.common.metrics import Metric
from scq.validation.common.plots.style import log_axis
from scq.validation.studies.plots.series import WIDTH, look
from scq.validation.studies.results.summary import Summary


def dots(summaries: Sequence[Summary], metric: Metric) -> Figure | None:
    """A row for each arm, a marker for each codebook size, faint ones for the seeds; None when none has the number.

    With the standard deviation over seeds; of times with the range of all repeats.
    """
    there = [summary for summary in summaries if metric.name in summary.numbers]
    if not there:
        return None
    names = list(dict.fromkeys(summary.arm for summary in there))
    sizes = sorted({summary.size for summary in there})
    height = 0.9 + 0.27 * len(names)
    drawing = Figure(figsize=(WIDTH, height))
    # The room for labels is the same at every height, and more for long names alone.
    left = max(0.25, 0.0135 * max(map(len, names)))
    axes = drawing.add_axes((left, 0.52 / height, 0.97 - left, 1 - 0.86 / height))
    shift = 0.34 / len(sizes)
    for number, size in enumerate(sizes):
        of_size = [summary for summary in there if summary.size == size]
        y = np.array([names.index(summary.arm) for summary in of_size]) + shift * (number - (len(sizes) - 1) / 2)
        spreads = [summary.numbers[metric.name] for summary in of_size]
        shown = look(number)
        for at, spread in zip(y, spreads, strict=True):
            values = np.array(spread.values) * metric.scale
            axes.plot(values, np.full(len(values), at), shown.marker, color=shown.colour, markersize=3, alpha=0.35)
        middles, ends = zip(*(_range(summary, metric) for summary in of_size), strict=True)
        axes.errorbar(
            middles,
            y,
            xerr=np.array(ends).T,
            fmt=shown.marker,
            color=shown.colour,
            markersize=5.5,
            linewidth=1.2,
            label=f"K {size}",
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(metric.title)
    values = [value for summary in there for value in summary.numbers[metric.name].values]
    if min(values) > 0 and max(values) > 20 * min(values):
        log_axis(axes, "x")
    drawing.legend(loc="upper left", ncols=len(sizes), borderaxespad=0.2)
    return drawing


def _range(summary: Summary, metric: Metric) -> tuple[float, tuple[float, float]]:
    """Where the marker stands, and how far its line reaches to the left and to the right: mean and standard deviation,
    of times median, smallest and largest."""
    if metric.name in summary.timings:
        time = summary.timings[metric.name]
        middle, ends = time.median, (time.median - time.minimum, time.maximum - time.median)
    else:
        spread = summary.numbers[metric.name]
        middle, ends = spread.mean, (spread.deviation or 0.0, spread.deviation or 0.0)
    return middle * metric.scale, (ends[0] * metric.scale, ends[1] * metric.scale)
