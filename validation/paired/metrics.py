"""The test metrics: what they are called, which way is better, and their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scq.validation.common.tables import Cell, Table, number, table, text
from scq.validation.common.timing import Repeated, cell
from scq.validation.paired.methods import METHODS


@dataclass(frozen=True)
class Metric:
    """One number of :func:`scq.training.evaluate`."""

    name: str
    title: str
    digits: int = 3
    scale: float = 1.0


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR, dB", digits=4),
        Metric("ssim", "SSIM"),
        Metric("mse", "MSE, 10⁻³", scale=1e3),
        Metric("hard_mse", "MSE of hard decoding, 10⁻³", scale=1e3),
        Metric("hard_perplexity", "hard perplexity"),
        Metric("soft_perplexity", "soft perplexity"),
        Metric("active_codes", "codewords used"),
        Metric("support_size", "support a latent"),
        Metric("tightness", "distance to a vertex"),
        Metric("converged_share", "converged, %", scale=100.0),
    )
}


def metrics_table(
    tests: Mapping[str, Mapping[str, float | None]], speeds: Mapping[str, Repeated] | None = None
) -> Table:
    """The metrics of every method, and where they were measured in turns their pictures a second."""
    rows = (
        [text(METHODS[method].title), *_cells(test, method), *([cell(speeds.get(method))] if speeds else [])]
        for method, test in tests.items()
    )
    last = ("pictures/s, median (range)",) if speeds else ()
    return table("Held-out pictures", ("method", *(metric.title for metric in METRICS.values()), *last), rows)


def swap_table(swap: Sequence[Mapping[str, Any]]) -> Table:
    """The metrics of every trained model with every solver."""
    rows = (
        [
            text(METHODS[pair["trained"]].title),
            text(METHODS[pair["tested"]].title),
            *_cells(pair["test"], pair["tested"]),
        ]
        for pair in swap
    )
    headings = ("trained with", "tested with", *(metric.title for metric in METRICS.values()))
    return table("Each soft model with its own solver and with the other's", headings, rows)


def _cells(test: Mapping[str, float | None], solver: str) -> list[Cell]:
    cells = {metric.name: number(test.get(metric.name), metric.digits, metric.scale) for metric in METRICS.values()}
    if solver == "relaxed":
        cells["converged_share"] = number(None)  # it has no tolerance to converge to
    return list(cells.values())
