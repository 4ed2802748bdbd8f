"""How do the exact backends converge over training, and how often does implicit differentiation lose its ground?"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

from scq.solvers.registry import DEFAULT_BACKEND
from scq.validation.common.tables import number, table, text
from scq.validation.studies.plots.series import Axis, Series, lines
from scq.validation.studies.questions.answer import Answer, spread
from scq.validation.studies.results.record import StudyRecord

_CONVERGED, _WEAK = "quantizer/converged_share", "quantizer/weakly_active_share"

_FIGURES = {
    "iterations": (Axis("iterations a latent, mean"), "Iterations, as each backend counts them"),
    "relative": (Axis("relative KKT residual, largest", log=True), "Largest relative KKT residual"),
}


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    arm, data = record.plain("scq"), record.datasets[0]
    summary = record.centre(arm, data) if arm else None
    points = [
        point
        for row in (record.runs(summary) if summary else ())
        for point in row["measures"].get("replays", {}).get("points", ())
    ]
    if not points:
        return None
    reply = Answer(
        "convergence", "How do the exact backends converge, and does implicit differentiation hold?", figures
    )
    backends = list(dict.fromkeys(point["backend"] for point in points))
    for name, (axis, caption) in _FIGURES.items():
        series = [one for backend in backends if (one := _over_steps(points, backend, name)).x]
        if series:
            full = f"{data}: {caption[0].lower()}{caption[1:]}, on the problems of exact training, in float64."
            reply.draw(name, full, lines(series, Axis("optimiser step"), axis))
    rows = []
    for backend in backends:
        of_backend = [point for point in points if point["backend"] == backend]
        rows.append(
            [
                text(backend),
                # A peer that does not tell has 0.
                number(_of(of_backend, "iterations", statistics.fmean) or None),
                number(_of(of_backend, "relative", max)),
                number(_of(of_backend, "converged_share", min), scale=100.0),
            ]
        )
    headings = ("backend", "iterations, mean", "relative KKT residual, largest", "converged, %, least")
    reply.tables.append(table(f"{data}: all dumped problems", headings, rows))
    reply.sentences += sentences(record, str(arm), data, points)
    return reply


def _of(points: Sequence[Mapping[str, Any]], name: str, what: Callable[[list[float]], float]) -> float | None:
    """Of the points that have the number: a backend may return what is none."""
    values = [point[name] for point in points if point[name] is not None]
    return what(values) if values else None


def _over_steps(points: list[Mapping[str, Any]], backend: str, name: str) -> Series:
    of_backend = [point for point in points if point["backend"] == backend and point[name]]
    steps = sorted({point["step"] for point in of_backend})
    return Series(
        backend, [float(s) for s in steps], [[p[name] for p in of_backend if p["step"] == step] for step in steps]
    )


def sentences(record: StudyRecord, arm: str, data: str, points: list[Mapping[str, Any]]) -> list[str]:
    """Where the derivative needs strict complementarity and convergence: of the dumps, and of every exact run's log."""
    ours = [point for point in points if point["backend"] == DEFAULT_BACKEND]
    lines_of_text = []
    shares = [point["one_sided_share"] for point in ours if point["one_sided_share"] is not None]
    margin = _of(ours, "margin", min)
    if shares and margin is not None:
        lines_of_text.append(
            f"{data}, {arm}: in the dumped problems {spread(shares, '%', scale=100.0)} of the latents have a one-sided "
            f"derivative; the smallest margin is {margin:.2g}."
        )
    rows = [row for row in record.stage("final") if row["quantizer"] == "scq" and row["state"] == "done"]
    rows = [row for row in rows if row["backend"] != "relaxed"]
    logged = [[(line.get(_CONVERGED, nan), line.get(_WEAK, nan)) for line in record.history(row)] for row in rows]
    # Apart: k-means has just put the codewords among the latents, and a latent on its codeword has all multipliers 0.
    for what, runs in (("first", [log[:1] for log in logged]), ("later", [log[1:] for log in logged])):
        known = [pair for log in runs for pair in log if all(map(isfinite, pair))]
        if known:
            lost, one_sided = sum(converged < 1 for converged, _ in known), sum(weak > 0 for _, weak in known)
            lines_of_text.append(
                f"All {len(rows)} runs with exact SCQ, {len(known)} {what} logged batches: in {lost} some latent did "
                f"not converge, in {one_sided} some latent of those looked at has a one-sided derivative; the largest "
                f"share of such latents is {100 * max(weak for _, weak in known):.3g} %."
            )
    return lines_of_text
