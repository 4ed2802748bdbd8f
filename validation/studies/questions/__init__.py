"""The questions that a study answers, one module each, with a function ``answer(record, figures)``.

It returns None where the plan has not the runs that the question needs.
"""

from pathlib import Path

from scq.validation.common.plots.style import style
from scq.validation.studies.questions import (
    annealing,
    convergence,
    distance,
    quality,
    rate,
    rule,
    size,
    strength,
    swap,
    usage,
)
from scq.validation.studies.questions.answer import Answer
from scq.validation.studies.results.record import StudyRecord

QUESTIONS = (quality, distance, swap, strength, size, usage, convergence, rate, annealing, rule)
"""In the order of the page."""


def answers(record: StudyRecord, figures: Path) -> list[Answer]:
    """Every question that can be answered; figures are written into ``figures``."""
    with style():
        asked = [question.answer(record, figures) for question in QUESTIONS]
    return [answer for answer in asked if answer is not None]
