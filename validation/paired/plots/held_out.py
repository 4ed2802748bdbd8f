"""Figures of the test: bars of the metrics, ranges of the times, and the reconstructions."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scq.validation.common.measuring.timing import Repeated
from scq.validation.common.plots.style import SOFT
from scq.validation.common.tables import number
from scq.validation.paired.held_out import ORIGINAL
from scq.validation.paired.methods import METHODS
from scq.validation.paired.record import Record


def psnr(record: Record, axes: Axes) -> bool:
    return _bars(record, axes, "PSNR, dB", ("psnr",), format_="{:.2f}", zoomed=True)


def ssim(record: Record, axes: Axes) -> bool:
    return _bars(record, axes, "SSIM", ("ssim",), format_="{:.3f}")


def mse(record: Record, axes: Axes) -> bool:
    return _bars(record, axes, "MSE, 10⁻³", ("mse", "hard_mse"), format_="{:.1f}", scale=1e3)


def perplexity(record: Record, axes: Axes) -> bool:
    return _bars(record, axes, "perplexity, codewords", ("hard_perplexity", "soft_perplexity"), format_="{:.0f}")


def speed(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("pictures a second, forward")
    return record.speeds is not None and _ranges(record.speeds.forward, axes)


def speed_caption(record: Record) -> str:
    return record.speeds.forward_caption if record.speeds else ""


def step_time_caption(record: Record) -> str:
    return record.speeds.step_caption if record.speeds else ""


def step_time(record: Record, axes: Axes) -> bool:
    axes.set_ylabel("time of a training step, ms")
    return record.speeds is not None and _ranges(record.speeds.step, axes, scale=1e3)


def _ranges(measured: Mapping[str, Repeated], axes: Axes, scale: float = 1.0) -> bool:
    """A point for each method's median, with a line from the smallest to the largest: a bar would promise that the
    heights are known."""
    methods = [method for name, method in METHODS.items() if name in measured]
    for at, method in enumerate(methods):
        value = measured[method.name]
        low, middle, high = (x * scale for x in (value.minimum, value.median, value.maximum))
        axes.errorbar(
            at,
            middle,
            [[middle - low], [high - middle]],
            fmt=method.marker,
            color=method.colour,
            capsize=5,
            markersize=7,
        )
        label = number(middle).text
        axes.annotate(label, (at, middle), xytext=(9, 0), textcoords="offset points", va="center", fontsize=8.8)
    axes.set_xticks(range(len(methods)), [method.title for method in methods])
    axes.set_xlim(-0.55, len(methods) - 0.45)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(bottom=0)
    return bool(methods)


_NAMES = {"mse": "as trained", "hard_mse": "hard decoding", "hard_perplexity": "hard", "soft_perplexity": "soft"}


def _bars(
    record: Record,
    axes: Axes,
    label: str,
    names: tuple[str, ...],
    format_: str,
    scale: float = 1.0,
    zoomed: bool = False,
) -> bool:
    """A bar for each method, hatched for the second number of a pair."""
    methods = [METHODS[name] for name in record.tests]
    width = 0.62 / len(names)
    highest, drawn = 0.0, []
    for at, method in enumerate(methods):
        numbers = [(name, record.tests[method.name].get(name)) for name in names]
        numbers = [(name, value) for name, value in numbers if value is not None and math.isfinite(value)]
        for i, (name, value) in enumerate(numbers):
            x = at + (i - (len(numbers) - 1) / 2) * (width + 0.04)
            bar = (
                {"color": method.colour}
                if name == names[0]
                else {"color": "white", "edgecolor": method.colour, "hatch": "////"}
            )
            axes.bar(x, value * scale, width, linewidth=1.0, **bar)
            axes.annotate(
                format_.format(value * scale),
                (x, value * scale),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=8.8,
            )
            drawn.append(value * scale)
            highest = max(highest, value * scale)
    axes.set_xticks(range(len(methods)), [method.title for method in methods])
    axes.set_xlim(-0.55, len(methods) - 0.45)
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(label)
    if not drawn:
        return False
    # Decibels have no meaningful zero: the axis starts a little below the lowest bar.
    bottom = math.floor(min(drawn)) - 2 if zoomed else 0
    axes.set_ylim(bottom, bottom + (highest - bottom) * 1.14)
    if len(names) > 1:
        for i, name in enumerate(names):
            face = {"facecolor": SOFT} if i == 0 else {"facecolor": "white", "edgecolor": SOFT, "hatch": "////"}
            axes.bar(0, 0, label=_NAMES[name], **face)
        axes.figure.legend(loc="upper left", ncols=2, borderaxespad=0.2)
    return True


def reconstructions(record: Record) -> Figure | None:
    """Held-out pictures: the originals, and below them each method's reconstruction."""
    if ORIGINAL not in record.pictures:
        return None
    rows = [ORIGINAL, *(name for name in METHODS if name in record.pictures)]
    count = len(record.pictures[ORIGINAL])
    drawing = Figure(figsize=(1.0 * count + 1.25, 1.0 * len(rows)))
    grid = drawing.subplots(len(rows), count, squeeze=False)
    drawing.subplots_adjust(left=1.2 / (count + 1.25), right=0.998, top=0.996, bottom=0.004, wspace=0.04, hspace=0.04)
    for i, name in enumerate(rows):
        for j in range(count):
            axes: Axes = grid[i, j]
            axes.imshow(np.asarray(record.pictures[name][j]), interpolation="nearest")
            axes.set_axis_off()
        title = METHODS[name].title if name in METHODS else "Original"
        colour = METHODS[name].colour if name in METHODS else "black"
        grid[i, 0].text(
            -0.08, 0.5, title, transform=grid[i, 0].transAxes, ha="right", va="center", fontsize=10, color=colour
        )
    return drawing
