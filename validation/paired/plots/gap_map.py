"""Figures of where the gap lives: over latents, over pictures, and in the sizes of the supports."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scq.validation.common.plots.style import legend
from scq.validation.paired.gap_map import GapMap
from scq.validation.paired.methods import METHODS
from scq.validation.paired.record import Record

_BINS = 50


def distances(record: Record, axes: Axes) -> bool:
    """A line for each soft training."""
    axes.set_xlabel("distance of the weights, ‖p exact - p relaxed‖")
    axes.set_ylabel("latents, %")
    known = {name: gap_map for name, gap_map in record.gap_maps.items() if np.isfinite(gap_map.distance).any()}
    highest = max((float(np.nanmax(gap_map.distance)) for gap_map in known.values()), default=0.0)
    for name, gap_map in known.items():
        _steps(axes, _finite(gap_map), np.linspace(0, highest, _BINS), name, f"{name} run")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    if known:
        legend(axes)
    return bool(known)


def supports(record: Record, axes: Axes) -> bool:
    """Both solvers on the latents of the first soft training."""
    axes.set_xlabel("support, codewords a latent")
    axes.set_ylabel("latents, %")
    gap_map = next(iter(record.gap_maps.values()), None)
    if gap_map is None:
        return False
    largest = int(max(gap_map.support_exact.max(), gap_map.support_relaxed.max()))
    edges = _edges(largest)
    for name, sizes in (("exact", gap_map.support_exact), ("relaxed", gap_map.support_relaxed)):
        _steps(axes, sizes.ravel(), edges, name, f"{name} solver")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    legend(axes)
    return True


def over_pictures(record: Record) -> Figure | None:
    """Held-out pictures, and below each the gap at its latents, all in one scale."""
    gap_map = next(iter(record.gap_maps.values()), None)
    if gap_map is None or not np.isfinite(gap_map.distance).any():
        return None
    count = len(gap_map.shown)
    drawing = Figure(figsize=(count + 0.75, 2.0))
    grid = drawing.subplots(2, count, squeeze=False)
    room = 0.62 / (count + 0.75)
    drawing.subplots_adjust(left=0.004, right=1 - room - 0.006, top=0.985, bottom=0.015, wspace=0.04, hspace=0.04)
    highest = float(np.nanquantile(gap_map.distance, 0.99))
    for column, number in enumerate(gap_map.shown):
        top, below = grid[0, column], grid[1, column]
        top.imshow(gap_map.pictures[column], interpolation="none")
        image = below.imshow(gap_map.distance[number], vmin=0, vmax=highest, cmap="magma", interpolation="none")
        top.set_axis_off()
        below.set_axis_off()
    bar = drawing.add_axes((1 - room, 0.04, 0.012, 0.43))
    drawing.colorbar(image, cax=bar)
    bar.tick_params(labelsize=8)
    return drawing


def distances_caption(record: Record) -> str:
    """What the histogram asks, and what it answers."""
    name, values = next((name, values) for name, gap_map in record.gap_maps.items() if len(values := _finite(gap_map)))
    median, high = np.quantile(values, (0.5, 0.9))
    share = values[values >= high].sum() / values.sum() if values.sum() else 0.0
    return (
        "Is the gap everywhere, or in few latents? Of the latents of held-out pictures after the "
        f"{name} training, half lie more than {median:.2g} from their exact weights, and one in ten more than "
        f"{high:.2g}; that tenth holds {100 * share:.0f} % of all distance."
    )


def supports_caption(record: Record) -> str:
    """What the sizes ask and answer."""
    name, gap_map = next(iter(record.gap_maps.items()))
    exact, relaxed = (np.median(sizes) for sizes in (gap_map.support_exact, gap_map.support_relaxed))
    return (
        "How many codewords does a latent use? On the same latents of held-out pictures, after the "
        f"{name} training, {exact:.0f} in the exact solution and {relaxed:.0f} in the relaxation (medians)."
    )


def over_pictures_caption(record: Record) -> str:
    """What the map asks and answers."""
    name, gap_map = next(iter(record.gap_maps.items()))
    return (
        "Where in a picture is the gap? Held-out pictures, and below each the distance of exact and relaxed weights "
        f"at its latents, after the {name} training. Over all latents, the rank correlation of the gap with the "
        f"contrast of the pixels below is {_rank_correlation(gap_map):.2f}."
    )


def _rank_correlation(gap_map: GapMap) -> float:
    """Spearman's; ties, of which real numbers have few, are ranked as they come."""
    finite = np.isfinite(gap_map.distance)
    ranks = [np.argsort(np.argsort(x[finite])) for x in (gap_map.distance, gap_map.contrast)]
    return float(np.corrcoef(*ranks)[0, 1])


def _edges(largest: int) -> np.ndarray:
    """Of at most some fifty bins for sizes from 1 to the largest, that one included."""
    width = max(1, largest // _BINS)
    return np.arange(0, max(largest, 1) + width, width) + 0.5


def _finite(gap_map: GapMap) -> np.ndarray:
    return gap_map.distance[np.isfinite(gap_map.distance)]


def _steps(axes: Axes, values: np.ndarray, edges: np.ndarray, method: str, label: str) -> None:
    heights = 100 * np.histogram(values, edges)[0] / max(1, len(values))
    info = METHODS[method]
    axes.stairs(heights, edges, color=info.colour, linestyle=info.dashes, linewidth=1.7, label=label)
