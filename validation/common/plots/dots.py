"""Numbers beside each other as dots with their spread: a row for each of many. A bar would promise a zero, and that the
heights are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from scq.validation.common.plots.style import log_axis

WIDTH = 6.4


@dataclass(frozen=True)
class Mark:
    """A marker in a row.

    Attributes:
        row: the name of the row.
        group: what markers of its kind are called: one height in the row for each, and an entry of the legend.
        values: each measured one, as of the seeds; drawn small and faint where there are several.
        middle: where the marker stands.
        ends: how far its line reaches to the left and to the right.
        colour, marker: how it looks.
        filled: whether its face is.
    """

    row: str
    group: str
    values: Sequence[float]
    middle: float
    ends: tuple[float, float]
    colour: str
    marker: str
    filled: bool = True


def dots(marks: Sequence[Mark], title: str, rows: Sequence[str] = (), from_zero: bool = False) -> Figure:
    """The figure of some marks, one at least: groups in the order in which they come.

    Args:
        marks: in one row of one group there is one.
        title: of the axis, with the unit.
        rows: the order of the rows; by default that in which they come.
        from_zero: the axis begins at 0.
    """
    names = list(dict.fromkeys([*rows, *(mark.row for mark in marks)]))
    groups = list(dict.fromkeys(mark.group for mark in marks))
    height = 0.9 + max(0.27, 0.17 * len(groups)) * len(names)
    drawing = Figure(figsize=(WIDTH, height))
    # The room for labels is the same at every height, and more for long names alone.
    left = max(0.25, 0.0135 * max(map(len, names)))
    axes = drawing.add_axes((left, 0.52 / height, 0.97 - left, 1 - 0.86 / height))
    shift = 0.6 / len(groups)
    for at, group in enumerate(groups):
        own = [mark for mark in marks if mark.group == group]
        for mark in own:
            y = names.index(mark.row) + shift * (at - (len(groups) - 1) / 2)
            if len(mark.values) > 1:
                heights = np.full(len(mark.values), y)
                axes.plot(mark.values, heights, mark.marker, color=mark.colour, markersize=3, alpha=0.35, gid=group)
            axes.errorbar(
                mark.middle,
                y,
                xerr=np.array([mark.ends]).T,
                fmt=mark.marker,
                color=mark.colour,
                markerfacecolor=mark.colour if mark.filled else "white",
                markersize=5.5,
                linewidth=1.2,
                label=group if group and mark is own[0] else "_" + group,
            )[0].set_gid(group)
            if len(mark.values) == 1:
                text = axes.annotate(
                    f"{mark.middle:.4g}", (mark.middle, y), (7, 0), textcoords="offset points", va="center", fontsize=8
                )
                text.set_gid(group)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(title)
    axes.margins(x=0.12)
    values = [value for mark in marks for value in mark.values]
    if min(values) > 0 and max(values) > 20 * min(values):
        log_axis(axes, "x")
    elif from_zero:
        axes.set_xlim(left=0)
    if len(groups) > 1:
        drawing.legend(loc="upper left", ncols=len(groups), borderaxespad=0.2)
    return drawing
