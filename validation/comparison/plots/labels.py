"""Names beside their points, where they hide least."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from scq.validation.common.plots.inline import key
from scq.validation.common.plots.style import INK

Point = tuple[float | int, float | int]

_CHARACTER, _LINE = 5.3, 11.0
"""Width and height of a letter of a label, points."""

_HEIGHTS = (0.0, 12.0, -12.0, 23.0, -23.0, 34.0, -34.0)
"""Of a label above its point, the nearest first."""

_HALO = withStroke(linewidth=3.0, foreground="white")
"""Keeps a line that runs below a name, often that of its own points, from striking it through."""


def label(axes: Axes, names: Sequence[tuple[str, Point, str]], points: Sequence[Point]) -> None:
    """Writes names beside their points, each at the place where it covers the fewest points and other names.

    Args:
        axes: finished but for the names.
        names: each with its point and its colour.
        points: every point that is drawn.
    """
    axes.autoscale_view()  # otherwise done when drawn, and only then places in points mean something
    scale = 72 / axes.figure.dpi
    frame = [side * scale for side in axes.bbox.extents]
    taken = [_box(x - 6, y, 12.0) for x, y in (axes.transData.transform(points) * scale).tolist()]
    for name, point, colour in names:
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
        dx, dy = min(hits, key=lambda offset: hits[offset])  # of equals the first, which is the nearest
        taken.append(_box(x + dx, y + dy, width))
        ink = INK if colour == "#56B4E9" else colour  # too light to be read
        text = axes.annotate(
            name, point, xytext=(dx, dy), textcoords="offset points", va="center", color=ink, fontsize=9
        )
        text.set_path_effects([_HALO])
        text.set_gid(key(name))


def _box(left: float, middle: float, width: float) -> tuple[float, float, float, float]:
    return left, middle - _LINE / 2, left + width, middle + _LINE / 2


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
