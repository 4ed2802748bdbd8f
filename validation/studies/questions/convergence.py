"""How do the exact backends converge over training, and how often does implicit differentiation lose its ground?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validation.plots.series import Axis, Series, lines
from validation.studies.questions.answer import Answer, spread
from validation.studies.record import StudyRecord
from validation.tables import number, table, text

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
    told = Answer("convergence", "How do the exact backends converge, and does implicit differentiation hold?", figures)
    backends = list(dict.fromkeys(point["backend"] for point in points))
    for name, (axis, caption) in _FIGURES.items():
        series = [_over_steps(points, backend, name) for backend in backends]
        full = f"{data}: {caption[0].lower()}{caption[1:]}, on the problems of exact training, in float64."
        told.draw(name, full, lines([s for s in series if s.x], Axis("optimiser step"), axis))
    rows = []
    for backend in backends:
        own = [point for point in points if point["backend"] == backend]
        rows.append(
            [
                text(backend),
                # A peer that does not tell has 0.
                number(sum(point["iterations"] for point in own) / len(own) or None),
                number(max(point["relative"] for point in own)),
                number(min(point["converged_share"] for point in own), scale=100),
            ]
        )
    headings = ("backend", "iterations, mean", "relative KKT residual, largest", "converged, %, least")
    told.tables.append(table(f"{data}: all dumped problems", headings, rows))
    told.sentences += _sentences(record, str(arm), data, points)
    return told


def _over_steps(points: list[Mapping[str, Any]], backend: str, name: str) -> Series:
    own = [point for point in points if point["backend"] == backend and point[name]]
    steps = sorted({point["step"] for point in own})
    return Series(backend, [float(s) for s in steps], [[p[name] for p in own if p["step"] == step] for step in steps])


def _sentences(record: StudyRecord, arm: str, data: str, points: list[Mapping[str, Any]]) -> list[str]:
    """Where the derivative needs strict complementarity and convergence: of the dumps, and of every exact run's log."""
    ours = [point for point in points if point["backend"] == "active_set"]
    told = []
    if ours:
        told.append(
            f"{data}, {arm}: in the dumped problems "
            f"{spread([point['one_sided_share'] for point in ours], '%', scale=100)} "
            f"of the latents have a one-sided derivative; the smallest margin is {min(p['margin'] for p in ours):.2g}."
        )
    rows = [row for row in record.stage("final") if row["quantizer"] == "scq" and row["state"] == "done"]
    lines_of_log = [line for row in rows for line in record.history(row)]
    if lines_of_log:
        lost = [line for line in lines_of_log if line["quantizer/converged_share"] < 1]
        weak = [line for line in lines_of_log if line["quantizer/weakly_active_share"] > 0]
        told.append(
            f"All {len(rows)} runs with exact SCQ, {len(lines_of_log)} logged batches: in {len(lost)} some latent "
            "did not "
            f"converge, in {len(weak)} some latent of those looked at has a one-sided derivative; the largest "
            f"share of such latents is {max(line['quantizer/weakly_active_share'] for line in lines_of_log):.2%}."
        )
    return told
