"""Figures of trained models: their test numbers, their samples, and their codebooks."""

import statistics
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from scq.validation.common.metrics import finite
from scq.validation.common.plots.dots import Mark, dots
from scq.validation.common.plots.look import look
from scq.validation.common.plots.style import SOFT, figure, legend, log_axis
from scq.validation.runs.looking import Looked
from scq.validation.runs.record import Runs

_DOTS = {
    "psnr": ("PSNR, dB", {"psnr": "as trained", "hard_psnr": "hard decoding"}),
    "ssim": ("SSIM", {"ssim": ""}),
    "perplexity": ("perplexity, codewords", {"hard_perplexity": "hard", "soft_perplexity": "soft"}),
}

_MOST = 1024
"""Codewords in a picture of a codebook: the most used ones."""


def numbers(runs: Runs, which: str) -> Figure | None:
    """A row for each group of runs, with the spread over its seeds; None where none has the number."""
    title, kinds = _DOTS[which]
    marks = []
    for name, kind in kinds.items():
        for at, (group, members) in enumerate(runs.groups.items()):
            values = [value for run in members if (value := finite(run.test.get(name))) is not None]
            if values:
                deviation = statistics.stdev(values) if len(values) > 1 else 0.0
                how = look(at)
                kept = (how.colour, how.marker, name == next(iter(kinds)))
                middle = statistics.fmean(values)
                marks.append(Mark(group, kind, values, middle, (deviation, deviation), *kept))
    return dots(marks, title, list(runs.groups), from_zero=which == "perplexity") if marks else None


def samples(seen: Mapping[str, Looked]) -> list[tuple[str, Figure]]:
    """For each data set its held-out pictures, and below them what each model makes of them."""
    figures: list[tuple[str, Figure]] = []
    left = {label: one for label, one in seen.items() if one.originals is not None}
    while left:
        first = next(iter(left.values()))
        same = {label: one for label, one in left.items() if np.array_equal(one.originals, first.originals)}
        left = {label: one for label, one in left.items() if label not in same}
        rows = {"Original": first.originals, **{label: one.made for label, one in same.items()}}
        figures.append((first.data, _rows_of_pictures(rows)))
    return figures


def _rows_of_pictures(rows: Mapping[str, np.ndarray]) -> Figure:
    count = len(next(iter(rows.values())))
    room = max(0.9, 0.085 * max(map(len, rows)))
    width = count + room
    drawing = Figure(figsize=(width, len(rows)))
    grid = drawing.subplots(len(rows), count, squeeze=False)
    drawing.subplots_adjust(left=room / width, right=0.998, top=0.996, bottom=0.004, wspace=0.04, hspace=0.04)
    for line, (label, pictures) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(line, pictures, strict=True):
            axes.imshow(picture, interpolation="none")
            axes.set_axis_off()
        line[0].text(-0.08, 0.5, label, transform=line[0].transAxes, ha="right", va="center", fontsize=10)
    return drawing


def use(seen: Mapping[str, Looked], runs: Runs) -> Figure | None:
    """Each codebook's codewords, from the most to the least used."""
    drawing, axes = figure()
    drawn = 0
    for at, run in enumerate(runs.runs):
        counted = seen[run.label].use if run.label in seen else None
        if counted is not None:
            shares = 100 * np.sort(counted)[::-1] / counted.sum()
            used = shares[shares > 0]
            how = look(at)
            line = {"color": how.colour, "linestyle": how.dashes, "label": run.label}
            axes.plot(np.arange(1, len(used) + 1), used, **line)
            drawn += 1
    if not drawn:
        return None
    axes.set_xlabel("codewords, from the most used")
    axes.set_ylabel("latents, %")
    axes.set_xlim(left=0)
    log_axis(axes)
    if drawn > 1:
        legend(axes)
    return drawing


def codebook(one: Looked) -> Figure | None:
    """The codewords in the plane of their first two principal axes, as large as they are used."""
    if one.codewords is None or one.use is None or one.codewords.shape[1] < 2 or len(one.codewords) < 2:
        return None
    chosen = np.argsort(-one.use, kind="stable")[:_MOST]
    centred = one.codewords - one.codewords.mean(0)
    axes_of_it = np.linalg.svd(centred, full_matrices=False)[2][:2]
    x, y = (centred[chosen] @ axes_of_it.T).T
    counted = one.use[chosen]
    drawing, axes = figure()
    for mask, kind in ((counted > 0, "used"), (counted == 0, "unused")):
        if mask.any():
            areas = 8 + 120 * counted[mask] / max(1, counted.max())
            face = look(0).colour if kind == "used" else "none"
            edge = look(0).colour if kind == "used" else SOFT
            axes.scatter(x[mask], y[mask], areas, facecolor=face, edgecolor=edge, linewidth=0.7, alpha=0.7, label=kind)
    axes.set_xlabel("first principal axis")
    axes.set_ylabel("second principal axis")
    legend(axes)
    return drawing


def tiles(one: Looked) -> Figure | None:
    """The most used codewords, each decoded alone, with the share of latents that it has."""
    if one.tiles is None or one.use is None:
        return None
    columns = min(12, len(one.tiles))
    lines = -(-len(one.tiles) // columns)
    drawing = Figure(figsize=(0.8 * columns, 0.98 * lines))
    grid = drawing.subplots(lines, columns, squeeze=False)
    drawing.subplots_adjust(left=0.003, right=0.997, top=0.997, bottom=0.16 / lines, wspace=0.06, hspace=0.25)
    shares = 100 * np.sort(one.use)[::-1] / one.use.sum()
    for at, axes in enumerate(grid.ravel()):
        axes.set_axis_off()
        if at < len(one.tiles):
            axes.imshow(one.tiles[at], interpolation="none")
            axes.text(0.5, -0.04, f"{shares[at]:.1f} %", transform=axes.transAxes, ha="center", va="top", fontsize=7.5)
    return drawing
