"""How every figure looks, and how it is written. No pyplot: nothing here is global, and nothing stays open."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from scq.validation.common.plots.inline import Inline, inlined

SIZE = (4.7, 3.15)
"""Inches. One panel a figure, so that a narrow screen shows each at full width."""

LARGE = (6.8, 4.6)

INK, SOFT, GRID = "#1c2329", "#5a6670", "#e3e7ea"

_SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 9.5,
    "text.parse_math": False,  # names of folders and settings may have a dollar in them
    "axes.labelsize": 9.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.4,
    "lines.linewidth": 1.7,
    "svg.fonttype": "path",
    "svg.hashsalt": "scq",
    "pdf.fonttype": 42,
}


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def style() -> AbstractContextManager[None]:
    """The context in which figures are made."""
    return mpl.rc_context(_SETTINGS)


def figure(large: bool = False) -> tuple[Figure, Axes]:
    """An empty panel. All have the same frame: they align beside each other, and none costs an automatic layout. A
    large one has room for many names."""
    drawing = Figure(figsize=LARGE if large else SIZE)
    return drawing, drawing.add_axes((0.11, 0.11, 0.87, 0.78) if large else (0.15, 0.15, 0.83, 0.7))


def steps_axis(axes: Axes) -> None:
    """The horizontal axis of everything over training."""
    axes.set_xlabel("optimiser step")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlim(left=0)


def log_axis(axes: Axes, name: Literal["x", "y"] = "y") -> None:
    """Makes an axis logarithmic; to be called when everything is drawn.

    Labels are plain text, as 0.2, 50, 10⁻³, 2·10⁻⁴: laying out matplotlib's own, which are formulas, takes longer than
    the rest of a figure.
    """
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    bottom, top = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if top / bottom < 40 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(_log_label))
    axis.set_minor_formatter(NullFormatter())


def _log_label(value: float, _: int) -> str:
    if 1e-2 <= value < 1e4:
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")  # within a decade ticks may stand at halves
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return power if mantissa == "1.0" else f"{mantissa.removesuffix('.0')}·{power}"


def legend(axes: Axes, columns: int = 2) -> None:
    """Above the panel, where it hides no data; there is room for two rows."""
    axes.figure.legend(loc="upper left", ncols=columns, handlelength=2.2, columnspacing=1.4, borderaxespad=0.2)


def smooth(values: Sequence[float] | np.ndarray, window: int = 5) -> np.ndarray:
    """The mean of each value and its neighbours; at the ends of as many as there are."""
    values = np.asarray(values, dtype=float)
    kernel = np.ones(min(window, max(len(values), 1)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones_like(values), kernel, "same")


def save(drawing: Figure, folder: Path, name: str) -> Inline:
    """Writes ``name.png`` and ``name.pdf`` and returns the figure for a page."""
    if not drawing.legends and len(drawing.axes) == 1:
        # The legend's room is free.
        left, bottom, width, _ = drawing.axes[0].get_position().bounds
        drawing.axes[0].set_position((left, bottom, width, 0.96 - bottom))
    drawing.savefig(folder / f"{name}.png", dpi=200)
    drawing.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    return inlined(drawing, name)
