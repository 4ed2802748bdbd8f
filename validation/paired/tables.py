"""The tables of paired runs: the test metrics, the swap test, and the gap at the start and the end of training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scq.validation.common.measuring.timing import Repeated, cell
from scq.validation.common.metrics import Metric, shown
from scq.validation.common.run_record import RunRecord
from scq.validation.common.tables import Cell, Table, number, table, text
from scq.validation.paired.methods import METHODS
from scq.validation.paired.record import Record

_QUANTITIES = {
    "gap/weights_l1": "distance of the weights, L1",
    "gap/weights_l2": "distance of the weights, L2",
    "gap/support_overlap": "overlap of the supports (Jaccard)",
    "gap/support_exact": "support, exact solver",
    "gap/support_relaxed": "support, relaxation",
    "gap/quantization_mse_exact": "quantisation error, exact solver",
    "gap/quantization_mse_relaxed": "quantisation error, relaxation",
    "gap/decoded_mse_exact": "MSE of the decoded batch, exact solver",
    "gap/decoded_mse_relaxed": "MSE of the decoded batch, relaxation",
    "gap/kkt_exact": "relative KKT residual, exact solver",
    "gap/kkt_relaxed": "relative KKT residual, relaxation",
    "gap/certificate_exact": "certified bound of ‖p − p*‖, exact solver",  # noqa: RUF001  a minus sign
    "gap/certificate_relaxed": "certified bound of ‖p − p*‖, relaxation",  # noqa: RUF001
    "gap/gradient_latents_cosine": "cosine of the gradients, ∂L/∂Z",
    "gap/gradient_latents_ratio": "norm ratio of the gradients, ∂L/∂Z",
    "gap/gradient_codebook_cosine": "cosine of the gradients, ∂L/∂C",
    "gap/gradient_codebook_ratio": "norm ratio of the gradients, ∂L/∂C",
}

_TENTH = 10


def metrics_table(
    tests: Mapping[str, Mapping[str, float | None]], speeds: Mapping[str, Repeated] | None = None
) -> Table:
    """The metrics of every method, with what follows from them (:func:`scq.validation.common.metrics.completed`), and
    where they were measured in turns their pictures a second."""
    metrics = shown(tests.values())
    rows = (
        [text(METHODS[method].title), *_cells(metrics, test, method), *([cell(speeds.get(method))] if speeds else [])]
        for method, test in tests.items()
    )
    last = ("pictures/s, median (range)",) if speeds else ()
    return table("Held-out pictures", ("method", *(metric.title for metric in metrics), *last), rows)


def swap_table(swap: Sequence[Mapping[str, Any]]) -> Table:
    """The metrics of every trained model with every solver."""
    metrics = shown([pair["test"] for pair in swap])
    rows = (
        [
            text(METHODS[pair["trained"]].title),
            text(METHODS[pair["tested"]].title),
            *_cells(metrics, pair["test"], pair["tested"]),
        ]
        for pair in swap
    )
    headings = ("trained with", "tested with", *(metric.title for metric in metrics))
    return table("Each soft model with its own solver and with the other's", headings, rows)


def _cells(metrics: Sequence[Metric], test: Mapping[str, float | None], solver: str) -> list[Cell]:
    cells = {metric.name: number(test.get(metric.name), metric.digits, metric.scale) for metric in metrics}
    if solver == "relaxed":
        cells["converged_share"] = number(None)  # it has no tolerance to converge to
    return list(cells.values())


def gap_table(record: Record) -> Table | None:
    """Means over the first and the last tenth of the log of each soft training; None when no gap was logged."""
    runs = {name: run for name, run in record.soft.items() if len(run.series("gap/weights_l1")[0])}
    if not runs:
        return None
    headings = ["mean over a tenth of training"]
    for name in runs:
        headings += [f"{name} run, first", f"{name} run, last"]
    rows = (
        [text(title), *(end for run in runs.values() for end in _ends(run, key))] for key, title in _QUANTITIES.items()
    )
    return table("The gap over training", headings, rows)


def last(run: RunRecord, name: str) -> float | None:
    """The mean of a number over the last tenth of the log; None when it was not logged."""
    values = run.series(name)[1]
    return float(values[-_length(values) :].mean()) if len(values) else None


def _ends(run: RunRecord, name: str) -> tuple[Cell, Cell]:
    values = run.series(name)[1]
    first = float(values[: _length(values)].mean()) if len(values) else None
    return number(first), number(last(run, name))


def _length(values: np.ndarray) -> int:
    return max(1, len(values) // _TENTH)
