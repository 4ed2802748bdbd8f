"""The figures of the comparison: how accurate an answer is, and how long it takes."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from validation.plots.style import INK, SOFT, log_axis
from validation.rows import Row

Problem = tuple[str, int, int]
"""Family, F, K."""

_FLOOR = 1e-16
"""Errors below float64's rounding are drawn here: a logarithm has no zero."""

_STYLES = {
    "active_set": ("#0072B2", "o"),
    "interior_point": ("#4A4A4A", "p"),
    "relaxed": ("#D55E00", "s"),
    "cvxpylayers": ("#009E73", "^"),
    "qpth": ("#CC79A7", "D"),
    "daqp": ("#A67C00", "v"),
    "clarabel": ("#56B4E9", "P"),
}
_OTHERS = (("#8A8A8A", "X"), ("#000000", "*"), ("#7F3C8D", "h"), ("#882255", "<"))

_CHARACTER, _LINE = 5.3, 11.0
"""Width and height of a letter of a label, points."""

_HEIGHTS = (0.0, 12.0, -12.0, 23.0, -23.0, 34.0, -34.0)
"""Of a label above its point, the nearest first."""


def problems(rows: Sequence[Row]) -> list[Problem]:
    """The problems that were compared on, in the order measured."""
    return list(dict.fromkeys((row.family, row.features, row.codewords) for row in rows))


def weights_accuracy(rows: Sequence[Row], problem: Problem, axes: Axes) -> bool:
    axes.set_ylabel("weights error ‖p - p*‖, largest")
    return _scatter(rows, problem, axes, lambda row: row.weights_error_max)


def gradient_accuracy(rows: Sequence[Row], problem: Problem, axes: Axes) -> bool:
    axes.set_ylabel("relative error of ∂L/∂C")
    return _scatter(rows, problem, axes, lambda row: row.codebook_gradient_error)


def _scatter(rows: Sequence[Row], problem: Problem, axes: Axes, error: Callable[[Row], float | None]) -> bool:
    """A point for each backend and dtype, the two dtypes of a backend joined by a line."""
    axes.set_xlabel("forward and backward, µs a column")
    others = iter(_OTHERS)
    labels, points = [], []
    for backend in dict.fromkeys(row.backend for row in rows):
        colour, marker = _STYLES.get(backend) or next(others, _OTHERS[-1])
        own = []
        for row in rows:
            value, time = error(row), row.total
            if (row.family, row.features, row.codewords) != problem or row.backend != backend:
                continue
            if value is None or time is None:
                continue
            own.append((time * 1e6, max(value, _FLOOR)))
            face = colour if row.dtype == "float64" else "white"
            axes.plot(*own[-1], marker, markersize=8, color=colour, markerfacecolor=face, markeredgewidth=1.5, zorder=3)
        if own:
            axes.plot(*zip(*own, strict=True), color=colour, linewidth=0.9, alpha=0.5, zorder=2)
            labels.append((backend, own[0], colour))
            points += own
    if not points:
        return False
    log_axis(axes, "x")
    log_axis(axes, "y")
    axes.margins(0.17, 0.14)
    _label(axes, labels, points)
    kinds = [
        Line2D([], [], linestyle="", marker="o", color=SOFT, markersize=7, label="float64"),
        Line2D([], [], linestyle="", marker="o", color=SOFT, markersize=7, markerfacecolor="white", label="float32"),
    ]
    axes.figure.legend(handles=kinds, loc="upper left", ncols=2, borderaxespad=0.2)
    return True


def _label(axes: Axes, labels: list[tuple[str, tuple[float, float], str]], points: list[tuple[float, float]]) -> None:
    """Names beside their points, each at the place where it covers the fewest points and other names."""
    axes.autoscale_view()  # otherwise done when drawn, and only then places in points mean something
    scale = 72 / axes.figure.dpi
    frame = [side * scale for side in axes.bbox.extents]
    taken = [_box(x - 6, y, 12.0) for x, y in (axes.transData.transform(points) * scale).tolist()]
    for name, point, colour in labels:
        x, y = (axes.transData.transform(point) * scale).tolist()
        width = _CHARACTER * len(name)
        places = [(dx, dy) for dy in _HEIGHTS for dx in (9.0, -9.0 - width, -width / 2) if dy or dx != -width / 2]
        inside = [
            (dx, dy)
            for dx, dy in places
            if frame[0] < x + dx < frame[2] - width and frame[1] < y + dy - _LINE / 2 < frame[3] - _LINE
        ]
        hits = {
            (dx, dy): sum(_overlap(_box(x + dx, y + dy, width), other) for other in taken)
            for dx, dy in inside or places
        }
        dx, dy = min(hits, key=lambda place: hits[place])  # of equals the first, which is the nearest
        taken.append(_box(x + dx, y + dy, width))
        ink = INK if colour == "#56B4E9" else colour  # too light to be read
        axes.annotate(name, point, xytext=(dx, dy), textcoords="offset points", va="center", color=ink, fontsize=9)


def _box(left: float, middle: float, width: float) -> tuple[float, float, float, float]:
    return left, middle - _LINE / 2, left + width, middle + _LINE / 2


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
