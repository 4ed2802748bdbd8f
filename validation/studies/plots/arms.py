"""Figures of arms beside each other."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from scq.validation.common.metrics import Metric
from scq.validation.common.plots import dots as marked
from scq.validation.common.plots.look import look
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
    marks = []
    for number, size in enumerate(sizes):
        for summary in (summary for summary in there if summary.size == size):
            middle, ends = _range(summary, metric)
            values = [value * metric.scale for value in summary.numbers[metric.name].values]
            shown = look(number)
            marks.append(marked.Mark(summary.arm, f"K {size}", values, middle, ends, shown.colour, shown.marker))
    return marked.dots(marks, metric.title, names)


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
