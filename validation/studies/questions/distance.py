"""How far is the relaxation from its own programme during training?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from validation.plots.series import Axis, Series, lines
from validation.studies.questions.answer import Answer, spread
from validation.studies.record import StudyRecord
from validation.studies.summary import Row
from validation.tables import Table, number, table, text

_OVER_STEPS = {
    "weights_l2": ("distance of the weights, L2", False, "Mean distance of the relaxed weights to the exact ones"),
    "certificate_relaxed": ("certified bound of the distance", False, "What the certificate says of that distance"),
    "primal_relaxed": ("primal residual, largest", True, "How far the relaxed weights leave the simplex"),
    "duality_gap_relaxed": ("Frank-Wolfe gap, mean", True, "How much more the objective of the relaxed weights can be"),
    "quantization_mse_relaxed": ("quantisation error, relaxed", True, "Quantisation error of the relaxation"),
    "quantization_mse_exact": ("quantisation error, exact", True, "Quantisation error of the exact solution"),
    "gradient_latents_cosine": ("cosine of the gradients, ∂L/∂Z", False, "Direction of the latents' gradient"),
    "gradient_codebook_cosine": ("cosine of the gradients, ∂L/∂C", False, "Direction of the codebook's gradient"),
}

_BY_M = {
    "weights_l2": "distance of the weights, L2",
    "certificate_relaxed": "its certified bound",
    "primal_relaxed": "primal residual, largest",
    "duality_gap_relaxed": "Frank-Wolfe gap",
    "kkt_relaxed": "relative KKT residual",
    "quantization_mse_exact": "quantisation error, exact",
    "quantization_mse_relaxed": "relaxed",
    "decoded_mse_exact": "MSE decoded, exact",
    "decoded_mse_relaxed": "relaxed",
    "gradient_latents_cosine": "cosine of ∂L/∂Z",
    "gradient_codebook_cosine": "cosine of ∂L/∂C",
}


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    arms = [arm for arm in map(record.plain, ("scq", "scq_relaxed")) if arm is not None]
    told = Answer("distance", "How far is the relaxation from its own programme during training?", figures)
    data = record.datasets[0]
    logs = {arm: _logs(record, arm, data) for arm in arms}
    for name, (title, log, caption) in _OVER_STEPS.items():
        series = [_over_steps(arm, found, f"gap/{name}") for arm, found in logs.items() if found]
        if series:
            full = (
                f"{data}: {caption[0].lower()}{caption[1:]} (m = {record.train['relaxation_steps']}), on the batches "
            )
            full += "of models that are trained with either solver. Mean and standard deviation over seeds."
            axis = Axis(title, log=log)
            told.draw(name, full, lines([s for s in series if s.x], Axis("optimiser step"), axis, marked=False))
    for arm in arms:
        for place in record.datasets:
            points = _points(record, arm, place)
            if points:
                told.tables.append(_table(arm, place, points))
                told.sentences.append(_sentence(arm, place, points))
    return told if told.sentences else None


def _logs(record: StudyRecord, arm: str, data: str) -> list[list[dict[str, int | float]]]:
    summary = record.centre(arm, data)
    histories = [record.history(row) for row in record.runs(summary)] if summary else []
    return [history for history in histories if "gap/weights_l2" in history[0]]


def _over_steps(arm: str, logs: Sequence[Sequence[Mapping[str, Any]]], name: str) -> Series:
    steps = [line["step"] for line in logs[0]]
    values = [[float(log[place][name]) for log in logs] for place in range(len(steps))]
    finite = [place for place in range(len(steps)) if np.isfinite(values[place]).all()]
    return Series(f"trained {arm}", [float(steps[place]) for place in finite], [values[place] for place in finite])


def _points(record: StudyRecord, arm: str, data: str) -> list[tuple[Row, Mapping[str, Any]]]:
    """What the relaxation did to trained latents at each m, and the run."""
    summary = record.centre(arm, data)
    rows = record.runs(summary) if summary else []
    return [(row, point) for row in rows for point in row["measures"].get("relaxations", {}).get("points", ())]


def _steps(points: Sequence[tuple[Row, Mapping[str, Any]]]) -> list[int | None]:
    return list(dict.fromkeys(point["steps"] for _, point in points))


def _at(points: Sequence[tuple[Row, Mapping[str, Any]]], steps: int | None, name: str) -> list[float]:
    return [point[name] for _, point in points if point["steps"] == steps and point[name] is not None]


def _table(arm: str, data: str, points: list[tuple[Row, Mapping[str, Any]]]) -> Table:
    rows = []
    for steps in _steps(points):
        values = (_at(points, steps, name) for name in _BY_M)
        means = (number(float(np.mean(found)) if found else None) for found in values)
        rows.append([text("projection" if steps is None else steps), *means])
    caption = f"{data}, trained {arm}: the relaxation on held-out latents at each m, means over seeds"
    return table(caption, ("m", *_BY_M.values()), rows)


def _sentence(arm: str, data: str, points: list[tuple[Row, Mapping[str, Any]]]) -> str:
    parts = []
    for steps in _steps(points):
        exact, relaxed = (_at(points, steps, f"quantization_mse_{name}") for name in ("exact", "relaxed"))
        worse = [b / a for a, b in zip(exact, relaxed, strict=True) if a]
        what = "with the exact projection" if steps is None else f"at m = {steps}"
        cosine = spread(_at(points, steps, "gradient_latents_cosine"), digits=2)
        error = f", quantisation error {spread(worse, digits=2)} times the exact one" if worse else ""
        parts.append(
            f"{what} the weights are {spread(_at(points, steps, 'weights_l2'), digits=2)} away{error}, cosine of "
            f"∂L/∂Z {cosine}"
        )
    return f"{data}, latents trained {arm}: {'; '.join(parts)}."
