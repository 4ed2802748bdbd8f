"""The questions that a study answers, one module each, with a function ``answer(record, figures)``.

It returns None where the plan has not the runs that the question needs.
"""

import importlib
from pathlib import Path

from scq.validation.common.plots.style import style
from scq.validation.studies.questions.answer import Answer
from scq.validation.studies.results.record import StudyRecord

QUESTIONS = (
    "quality",
    "distance",
    "swap",
    "strength",
    "size",
    "usage",
    "convergence",
    "rate",
    "annealing",
    "rule",
)
"""In the order of the page."""


def answers(record: StudyRecord, figures: Path) -> list[Answer]:
    """Every question that can be answered; figures are written into ``figures``."""
    with style():
        asked = [importlib.import_module(f"{__name__}.{name}").answer(record, figures) for name in QUESTIONS]
    return [answer for answer in asked if answer is not None]
