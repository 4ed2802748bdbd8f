"""Figures of many arms as lines and points: over a setting, over the steps, in the plane. Spread is over seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from scq.validation.common.plots.dots import WIDTH
from scq.validation.common.plots.look import look
from scq.validation.common.plots.style import log_axis

_TICKS = 8


@dataclass(frozen=True)
class Series:
    """Points of one arm.

    Attributes:
        label: its name.
        x: where.
        y: the values there, one of each seed.
        ranges: of times, the smallest and the largest repeat there, which are drawn in place of the deviation, around
            the median.
    """

    label: str
    x: Sequence[float]
    y: Sequence[Sequence[float]]
    ranges: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Axis:
    """What an axis says, unit included, and whether it is logarithmic where all numbers are above 0: otherwise some
    would be missing from the figure without a word."""

    title: str
    log: bool = False


def lines(series: Sequence[Series], x: Axis, y: Axis, marked: bool = True) -> Figure:
    """A line of means for each, with the standard deviation, or of the medians of times with their range; faint dots
    for the seeds.

    Args:
        series: what is drawn, each at one point at least.
        x, y: the axes.
        marked: False for many points, as over steps: a band for the deviation in place of bars, and no dots.
    """
    drawing = Figure(figsize=(WIDTH, 3.6))
    axes = drawing.add_axes((0.12, 0.14, 0.6, 0.82))
    for number, one in enumerate(series):
        shown, at = look(number), np.array(one.x, dtype=float)
        order = np.argsort(at)
        at = at[order]
        means = np.array([np.mean(values) for values in one.y])[order]
        deviations = np.array([np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in one.y])[order]
        if marked:
            ends = np.array([deviations, deviations])
            if one.ranges:
                means = np.array([np.median(values) for values in one.y])[order]
                low, high = np.array(one.ranges)[order].T
                ends = np.array([means - low, high - means])
            axes.errorbar(
                at, means, ends, color=shown.colour, linestyle=shown.dashes, marker=shown.marker, label=one.label
            )
            for x_value, values in zip(one.x, one.y, strict=True):
                axes.plot(
                    [x_value] * len(values),
                    values,
                    shown.marker,
                    color=shown.colour,
                    markersize=2.5,
                    alpha=0.35,
                    gid=one.label,
                )
        else:
            axes.plot(at, means, color=shown.colour, linestyle=shown.dashes, label=one.label)
            band = axes.fill_between(at, means - deviations, means + deviations, color=shown.colour, alpha=0.15)
            band.set(linewidth=0, gid=one.label)
    _finish(drawing, axes, x, y)
    x_values = sorted({x_value for one in series for x_value in one.x})
    if x.log and len(x_values) <= _TICKS:
        # The values of a setting, which are few, say more than round numbers between them.
        axes.set_xticks(x_values, [f"{x_value:g}" for x_value in x_values])
        axes.xaxis.set_minor_locator(NullLocator())
    return drawing


def points(
    traces: Mapping[str, Sequence[Sequence[tuple[float, float]]]], x: Axis, y: Axis, joined: bool = True
) -> Figure:
    """Points in the plane, with the standard deviation both ways.

    Args:
        traces: for each arm its points, each as one pair (x, y) a seed.
        x, y: the axes.
        joined: with a line through the points of each, in the order in which they are given.
    """
    drawing = Figure(figsize=(WIDTH, 3.9))
    axes = drawing.add_axes((0.12, 0.13, 0.6, 0.83))
    for number, (label, trace) in enumerate(traces.items()):
        shown = look(number)
        means = np.array([np.mean(pairs, axis=0) for pairs in trace])
        spread = np.array([np.std(pairs, axis=0, ddof=1) if len(pairs) > 1 else (0.0, 0.0) for pairs in trace])
        axes.errorbar(
            means[:, 0],
            means[:, 1],
            spread[:, 1],
            spread[:, 0],
            color=shown.colour,
            linestyle=shown.dashes if joined and len(means) > 1 else "none",
            marker=shown.marker,
            # A cloud of points lets those below be seen.
            markersize=None if joined else 3.5,
            alpha=None if joined else 0.5,
            linewidth=1.2,
            label=label,
        )
    _finish(drawing, axes, x, y)
    return drawing


def _finish(drawing: Figure, axes: Axes, x: Axis, y: Axis) -> None:
    """Titles, scales, and the legend in the room that is left for it."""
    axes.set_xlabel(x.title)
    axes.set_ylabel(y.title)
    if x.log and _positive(line.get_xdata() for line in axes.lines):
        log_axis(axes, "x")
    if y.log and _positive(line.get_ydata() for line in axes.lines):
        log_axis(axes)
    handles, labels = axes.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="center right", borderaxespad=0.3, handlelength=2.4)


def _positive(lines: Iterable[ArrayLike]) -> bool:
    return all(bool((np.asarray(values) > 0).all()) for values in lines)
