"""When is the relaxation safe? A rule from some of the runs, tested on the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scq.validation.common.tables import Table, number, table, text
from scq.validation.studies.plots.series import Axis, points
from scq.validation.studies.questions.answer import Answer
from scq.validation.studies.results.record import StudyRecord

CHANGE, COSINE = 0.05, 0.9
"""The relaxation is called safe for a model where it changes the error of the decoded pictures by at most this share,
and where its gradient of the latents has at least this cosine with the exact one."""

LEAST_HARM, LEAST_PREDICTOR = 1e-6, 1e-9
"""Less, which is rounding in float32, is drawn here: a logarithm has no zero."""

PREDICTORS = {
    "kkt_relaxed": "relative KKT residual of the relaxed weights",
    "certificate_relaxed": "certified bound of the weights' distance",
    "duality_gap_relaxed": "Frank-Wolfe gap of the relaxed weights",
    "primal_relaxed": "primal residual of the relaxed weights",
}
"""What a user knows without an exact solve."""


@dataclass(frozen=True)
class Point:
    """The relaxation at one m on one trained model.

    Attributes:
        derived: whether the rule may look at it: of the first data set at the centre.
        predictors: by name.
        harm: relative change of the decoded error.
        cosine: of the latents' gradients; None where one of them is 0.
        safe: see :data:`CHANGE`.
    """

    derived: bool
    predictors: dict[str, float]
    harm: float
    cosine: float | None
    safe: bool


@dataclass(frozen=True)
class Rule:
    """Safe where the predictor is at most the threshold; None when no threshold has only safe points up to it."""

    predictor: str
    threshold: float | None
    found: int
    """Safe points of those that it was derived from that are at most at the threshold."""


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    every_point = points_of(record)
    seen = [point for point in every_point if point.derived]
    new = [point for point in every_point if not point.derived]
    if not seen or not new:
        return None
    reply = Answer("rule", "When is the relaxation safe?", figures)
    reply.sentences.append(
        f"Safe is a model where the relaxation changes the error of the decoded pictures by at most {CHANGE:.0%} "
        f"and its gradient of the latents has a cosine of at least {COSINE} with the exact one. Of {len(every_point)} "
        f"pairs of a trained model and an m, {sum(point.safe for point in every_point)} are."
    )
    rule = derive(seen)
    if rule.threshold is None:
        reply.sentences.append(
            f"None of the {len(seen)} pairs that the rule is derived from ({record.datasets[0]}, at the centre) "
            "can be told "
            "to be safe by a number that is known without an exact solve."
        )
    else:
        below = [point for point in new if point.predictors[rule.predictor] <= rule.threshold]
        reply.sentences.append(
            f"Rule, from {len(seen)} pairs ({record.datasets[0]}, at the centre): safe where the "
            f"{PREDICTORS[rule.predictor]} "
            f"is at most {rule.threshold:.3g}; it finds {rule.found} of the {sum(p.safe for p in seen)} safe ones. "
            "On the "
            f"{len(new)} pairs of other data sets or settings it calls {len(below)} safe, of which "
            f"{sum(point.safe for point in below)} are, of {sum(point.safe for point in new)} that are."
        )
    reply.tables.append(_orders(new))
    for name, title in PREDICTORS.items():
        groups = {
            label: [[(max(p.predictors[name], LEAST_PREDICTOR), max(p.harm, LEAST_HARM))] for p in group]
            for label, group in (("derived from", seen), ("tested on", new))
        }
        caption = (
            f"Harm over the {title}: one point for each trained model and m. A harm below 10⁻⁶ and a "
            "residual below 10⁻⁹ are drawn there."
        )
        drawing = points(
            groups, Axis(title, log=True), Axis("relative change of the decoded MSE", log=True), joined=False
        )
        reply.draw(name, caption, drawing)
    return reply


def derive(seen: Sequence[Point]) -> Rule:
    """The predictor and the threshold that has only safe points up to it, and the most of them."""
    rules = []
    for name in PREDICTORS:
        unsafe = min((point.predictors[name] for point in seen if not point.safe), default=np.inf)
        # Not a safe point with the same number as an unsafe one: the threshold would let in both.
        safe = [point.predictors[name] for point in seen if point.safe and point.predictors[name] < unsafe]
        rules.append(Rule(name, max(safe, default=None), len(safe)))
    return max(rules, key=lambda rule: rule.found)


def order(points: Sequence[Point], predictor: str, harmless: Callable[[Point], bool]) -> float | None:
    """How well a number orders the points: the share of pairs, one harmless and one not, in which it is smaller for the
    harmless one (the area under the ROC curve). 1 orders all of them, 1/2 says nothing."""
    good, bad = (
        np.array([point.predictors[predictor] for point in points if harmless(point) == kind]) for kind in (True, False)
    )
    if not len(good) or not len(bad):
        return None
    return float(np.mean((good[:, None] < bad) + 0.5 * (good[:, None] == bad)))


def _orders(new: Sequence[Point]) -> Table:
    """Of every predictor, also where no threshold was found, on the points that the rule is tested on."""
    rows = [
        [
            text(title),
            number(order(new, name, lambda point: point.safe)),
            number(order(new, name, lambda point: point.harm <= CHANGE)),
        ]
        for name, title in PREDICTORS.items()
    ]
    headings = ("known without an exact solve", "safe", f"change of the error within {CHANGE:.0%} alone")
    return table("How well a number tells the safe pairs: area under the ROC curve, 0.5 is chance", headings, rows)


def points_of(record: StudyRecord) -> list[Point]:
    points = []
    for row in record.stage("final"):
        derived = row["data"] == record.datasets[0] and not row["varied"]
        for point in row.get("measures", {}).get("relaxations", {}).get("points", ()):
            numbers = [point.get(name) for name in (*PREDICTORS, "decoded_mse_exact", "decoded_mse_relaxed")]
            if any(value is None for value in numbers) or not point["decoded_mse_exact"]:
                continue
            harm = abs(point["decoded_mse_relaxed"] / point["decoded_mse_exact"] - 1)
            cosine = point.get("gradient_latents_cosine")
            safe = harm <= CHANGE and cosine is not None and cosine >= COSINE
            points.append(Point(derived, {name: point[name] for name in PREDICTORS}, harm, cosine, safe))
    return points
