"""A figure as part of a page: its SVG, and what the page's script needs to say values and to hide lines.

What belongs together is a *series*: the line of a legend's entry, and all that is drawn with that name as its ``gid``.
A text with the gid of :func:`key` is the name of a series beside its points. Points are worth a word where their artist
has a label; one that begins with an underscore is in no legend. With scripts off the figure is there as it is.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Bbox

from scq.validation.common.tables import number

_KEY = "key of "
_MOST = 200
"""Points of a line whose values are said."""

_POINT = 72
"""To the inch: the unit of an SVG of matplotlib's."""


def key(series: str) -> str:
    """The gid of a text that names a series: a click on it hides the series."""
    return _KEY + series


@dataclass(frozen=True)
class Inline:
    """A figure in a page.

    Attributes:
        svg: to be put into HTML as it is. Elements have ``data-series`` with the number of their series, names of
            series ``data-key``; an unseen ``rect.hit`` lies over each name.
        told: for the script: ``names`` of the series, ``axes`` with the titles ``x`` and ``y``, and ``points``, each a
            list of the number of its series (-1: none), of its axes, its place in the SVG, what it is called, and its
            values in words.
    """

    svg: str
    told: Mapping[str, Any]


def inlined(drawing: Figure, name: str) -> Inline:
    """A finished figure; its artists get other gids.

    Args:
        drawing: the figure.
        name: of its own in the page; what an id may not have is replaced.
    """
    drawing.set_dpi(_POINT)
    members = [(artist, series) for axes in drawing.axes for artist in _drawn(axes) if (series := _series(artist))]
    names = list(dict.fromkeys(series for _, series in members))
    of = {id(artist): names.index(series) for artist, series in members}
    keys: list[tuple[int, Artist]] = []
    for artist, series in members:
        if (artist.get_gid() or "").startswith(_KEY):
            keys.append((names.index(series), artist))
        else:
            artist.set_gid(f"series-{names.index(series)}")
    for legend in drawing.legends:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            if text.get_text() in names:
                keys += [(names.index(text.get_text()), part) for part in (handle, text) if part is not None]
    for at, part in keys:
        part.set_gid(f"key-{at}")
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None})
    # Not before: where things stand is settled when they are drawn.
    height = drawing.bbox.height
    points = [point for at, axes in enumerate(drawing.axes) for point in _points(axes, at, of, height)]
    titles = [{"x": axes.get_xlabel(), "y": axes.get_ylabel()} for axes in drawing.axes]
    told = {"names": names, "axes": titles, "points": points}
    return Inline(_cleaned(buffer.getvalue(), re.sub(r"\W", "-", name), _hits(keys, height)), told)


def _drawn(axes: Axes) -> Iterator[Artist]:
    """What may belong to a series; of error bars each part, with the series of the whole."""
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            data, caps, bars = container.lines
            for part in (data, *caps, *bars):
                if part is not None:
                    part.set_gid(part.get_gid() or _label(container))
                    if part is data:
                        part.set_label(container.get_label() or "_child")
    yield from axes.lines
    yield from axes.collections
    yield from axes.patches
    yield from axes.texts


def _label(artist: Any) -> str:
    """The name of a legend's entry; empty where there is none."""
    label = str(artist.get_label())
    return "" if label.startswith("_") else label


def _series(artist: Artist) -> str:
    return (artist.get_gid() or "").removeprefix(_KEY) or _label(artist)


def _points(axes: Axes, at: int, of: Mapping[int, int], height: float) -> Iterator[list[Any]]:
    """Every point that is worth a word."""
    ranges = _ranges(axes)
    for artist in (*axes.lines, *axes.patches):
        called = str(artist.get_label())
        if called.startswith("_child") or not isinstance(artist, Line2D | StepPatch):
            continue
        if isinstance(artist, StepPatch):
            heights, edges, _ = artist.get_data()
            values = np.column_stack([(edges[:-1] + edges[1:]) / 2, heights])
        else:
            values = np.column_stack([np.asarray(side, dtype=float) for side in artist.get_data(orig=False)])
        places = axes.transData.transform(values)
        inside = np.isfinite(places).all(1).nonzero()[0]
        for i in inside[np.linspace(0, len(inside) - 1, min(len(inside), _MOST)).round().astype(int)]:
            words = [_words(axis, value) for axis, value in zip((axes.xaxis, axes.yaxis), values[i], strict=True)]
            words = [said + ranges.get((id(artist), int(i), side), "") for side, said in enumerate(words)]
            x, y = places[i]
            called_so = called.removeprefix("_")
            yield [of.get(id(artist), -1), at, round(float(x), 1), round(height - float(y), 1), called_so, *words]


def _ranges(axes: Axes) -> dict[tuple[int, int, int], str]:
    """The ends of error bars in words, by the line, its point, and 0 along x or 1 along y."""
    found = {}
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer) and container.lines[0] is not None:
            for bars in container.lines[2]:
                for i, segment in enumerate(bars.get_segments()):
                    side = int(np.ptp(segment[:, 1]) > np.ptp(segment[:, 0]))
                    low, high = sorted(float(value) for value in segment[:, side])
                    if low < high:
                        words = f" ({number(low, 4).text} to {number(high, 4).text})"
                        found[id(container.lines[0]), i, side] = words
    return found


def _words(axis: Axis, value: float) -> str:
    """A value on an axis, or where its ticks are names the nearest of them."""
    if isinstance(axis.get_major_locator(), FixedLocator):
        ticks = np.asarray(axis.get_majorticklocs())
        return axis.get_major_formatter()(ticks[np.abs(ticks - value).argmin()])
    whole = float(value).is_integer() and abs(value) < 1e7
    return f"{int(value):,}" if whole else number(float(value), 4).text


def _hits(keys: list[tuple[int, Artist]], height: float) -> str:
    """A box over each name."""
    boxes: dict[int, list[Bbox]] = {}
    for at, part in keys:
        box = part.get_window_extent()
        if np.isfinite(box.extents).all():  # matplotlib knows no box of an error bar
            boxes.setdefault(at, []).append(box)
    hits = []
    for at, parts in sorted(boxes.items()):
        box = Bbox.union(parts).padded(3)
        x, y, width, tall = (round(float(v), 1) for v in (box.x0, height - box.y1, box.width, box.height))
        hits.append(f'<rect class="hit" data-hit="{at}" x="{x}" y="{y}" width="{width}" height="{tall}"/>')
    return "".join(hits)


def _cleaned(svg: str, name: str, hits: str) -> str:
    """matplotlib's SVG for HTML: without its frame, and no id that another figure has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r"<svg \1>", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'id="(series|key)-(\d+)"', r'data-\1="\2"', svg)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"\n\s*", "\n", svg).rstrip()
    return svg.removesuffix("</svg>") + hits + "</svg>"
