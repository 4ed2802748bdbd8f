"""How far is the relaxation from its own programme during training?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scq.validation.common.seeds import over_seeds
from scq.validation.common.tables import Table, number, table, text
from scq.validation.studies.plots.series import Axis, Series, lines
from scq.validation.studies.questions.answer import Answer, spread
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Row

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
    reply = Answer("distance", "How far is the relaxation from its own programme during training?", figures)
    data = record.datasets[0]
    logs = {arm: _logs(record, arm, data) for arm in arms}
    for name, (title, log, caption) in _OVER_STEPS.items():
        series = [one for arm, runs in logs.items() if (one := _over_steps(arm, runs, f"gap/{name}")).x]
        if series:
            full = (
                f"{data}: {caption[0].lower()}{caption[1:]} (m = {record.train['relaxation_steps']}), on the batches "
                f"of the models {' and '.join(one.label for one in series)}; "
                f"{over_seeds(len(values) for one in series for values in one.y)}."
            )
            reply.draw(name, full, lines(series, Axis("optimiser step"), Axis(title, log=log), marked=False))
    for arm in arms:
        for name in record.datasets:
            points = _points(record, arm, name)
            if points:
                reply.tables.append(_table(arm, name, points))
                reply.sentences += _sentences(arm, name, points)
    return reply if reply.sentences or reply.panels else None


def _logs(record: StudyRecord, arm: str, data: str) -> list[list[dict[str, int | float]]]:
    summary = record.centre(arm, data)
    histories = [record.history(row) for row in record.runs(summary)] if summary else []
    return [history for history in histories if history and "gap/weights_l2" in history[0]]


def _over_steps(arm: str, logs: Sequence[Sequence[Mapping[str, Any]]], name: str) -> Series:
    """At the steps where all seeds have it: a mean over fewer would jump for that reason alone. A seed that never has
    it is left out."""
    by_step = [{line["step"]: line[name] for line in log if np.isfinite(line.get(name, np.nan))} for log in logs]
    by_step = [values for values in by_step if values]
    steps = [step for step in by_step[0] if all(step in values for values in by_step)] if by_step else []
    return Series(f"trained {arm}", [float(step) for step in steps], [[v[step] for v in by_step] for step in steps])


def _points(record: StudyRecord, arm: str, data: str) -> list[tuple[Row, Mapping[str, Any]]]:
    """What the relaxation did to trained latents at each m, and the run."""
    summary = record.centre(arm, data)
    rows = record.runs(summary) if summary else []
    return [(row, point) for row in rows for point in row["measures"].get("relaxations", {}).get("points", ())]


def _steps(points: Sequence[tuple[Row, Mapping[str, Any]]]) -> list[int | None]:
    return list(dict.fromkeys(point["steps"] for _, point in points))


def _at(points: Sequence[tuple[Row, Mapping[str, Any]]], steps: int | None, name: str) -> list[float]:
    return [point[name] for _, point in points if point["steps"] == steps and point.get(name) is not None]


def _table(arm: str, data: str, points: list[tuple[Row, Mapping[str, Any]]]) -> Table:
    rows = []
    for steps in _steps(points):
        values = (_at(points, steps, name) for name in _BY_M)
        means = (number(float(np.mean(measured)) if measured else None) for measured in values)
        rows.append([text("projection" if steps is None else steps), *means])
    how = over_seeds([len({row["seed"] for row, _ in points})], "means")
    caption = f"{data}, trained {arm}: the relaxation on held-out latents at each m, {how}"
    return table(caption, ("m", *_BY_M.values()), rows)


def _sentences(arm: str, data: str, points: list[tuple[Row, Mapping[str, Any]]]) -> list[str]:
    parts = []
    for steps in _steps(points):
        away, cosine = (_at(points, steps, name) for name in ("weights_l2", "gradient_latents_cosine"))
        of_steps = [point for _, point in points if point["steps"] == steps]
        worse = [
            point["quantization_mse_relaxed"] / point["quantization_mse_exact"]
            for point in of_steps
            if point["quantization_mse_exact"] and point["quantization_mse_relaxed"] is not None
        ]
        known = [
            f"the weights are {spread(away, digits=2)} away" if away else "",
            f"the quantisation error is {spread(worse, digits=2)} times the exact one" if worse else "",
            f"the cosine of ∂L/∂Z is {spread(cosine, digits=2)}" if cosine else "",
        ]
        what = "with the exact projection" if steps is None else f"at m = {steps}"
        if any(known):
            parts.append(f"{what} {', '.join(filter(None, known))}")
    return [f"{data}, latents trained {arm}: {'; '.join(parts)}."] if parts else []
