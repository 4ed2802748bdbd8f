"""Figures of the test: dots of the metrics, ranges of the times, and the reconstructions."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scq.validation.common.measuring.timing import Repeated
from scq.validation.common.metrics import METRICS, finite
from scq.validation.common.plots.dots import Mark, dots
from scq.validation.paired.held_out import ORIGINAL
from scq.validation.paired.methods import METHODS
from scq.validation.paired.record import Record

_GROUPS = {
    "psnr": "as trained",
    "hard_psnr": "hard decoding",
    "ssim": "",
    "hard_perplexity": "hard",
    "soft_perplexity": "soft",
}


def psnr(record: Record) -> Figure | None:
    return _dots(record, "PSNR, dB", "psnr", "hard_psnr")


def ssim(record: Record) -> Figure | None:
    return _dots(record, "SSIM", "ssim")


def perplexity(record: Record) -> Figure | None:
    return _dots(record, "perplexity, codewords", "hard_perplexity", "soft_perplexity", from_zero=True)


def speed(record: Record) -> Figure | None:
    return _ranges(record.speeds.forward, "pictures a second, forward") if record.speeds else None


def step_time(record: Record) -> Figure | None:
    return _ranges(record.speeds.step, "time of a training step, ms", scale=1e3) if record.speeds else None


def one_seed(record: Record) -> str:
    """What dots without a spread do not say."""
    return f"One seed ({record.settings['seed']}): how far another one would move a dot is not known."


def psnr_caption(record: Record) -> str:
    return (
        "Peak signal-to-noise ratio over all held-out pictures, with the weights as trained, and with the codeword of "
        f"the largest weight alone (hard decoding). The axis does not start at zero. {one_seed(record)}"
    )


def speed_caption(record: Record) -> str:
    return record.speeds.forward_caption if record.speeds else ""


def step_time_caption(record: Record) -> str:
    return record.speeds.step_caption if record.speeds else ""


def _ranges(measured: Mapping[str, Repeated], title: str, scale: float = 1.0) -> Figure | None:
    """The median of each method, with a line from the smallest to the largest."""
    marks = [
        Mark(
            method.title,
            "",
            (value.median * scale,),
            value.median * scale,
            ((value.median - value.minimum) * scale, (value.maximum - value.median) * scale),
            method.colour,
            method.marker,
        )
        for name, method in METHODS.items()
        if (value := measured.get(name))
    ]
    return dots(marks, title, from_zero=True) if marks else None


def _dots(record: Record, title: str, *names: str, from_zero: bool = False) -> Figure | None:
    """A row for each method; the second of two numbers has an open marker."""
    marks = []
    for metric in map(METRICS.__getitem__, names):
        for method, test in record.tests.items():
            value, info = finite(test.get(metric.name)), METHODS[method]
            if value is not None:
                value *= metric.scale
                look = (info.colour, info.marker, metric.name == names[0])
                marks.append(Mark(info.title, _GROUPS[metric.name], (value,), value, (0.0, 0.0), *look))
    rows = [METHODS[method].title for method in record.tests]
    return dots(marks, title, rows, from_zero) if marks else None


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
            axes.imshow(np.asarray(record.pictures[name][j]), interpolation="none")
            axes.set_axis_off()
        title = METHODS[name].title if name in METHODS else "Original"
        colour = METHODS[name].colour if name in METHODS else "black"
        grid[i, 0].text(
            -0.08, 0.5, title, transform=grid[i, 0].transAxes, ha="right", va="center", fontsize=10, color=colour
        )
    return drawing
