"""Who reconstructs held-out pictures better, at equal settings?"""

from pathlib import Path

from scq.validation.paired.metrics import METRICS
from scq.validation.studies.plots.series import dots
from scq.validation.studies.questions.answer import Answer, differences, shown, spread
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary
from scq.validation.studies.results.tables import centre_table

_SHOWN = ("mse", "psnr", "ssim", "hard_mse")


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    exact = record.plain("scq")
    if exact is None:
        return None
    told = Answer("quality", "At equal settings, who reconstructs held-out pictures better?", figures)
    others = [*record.arms("scq_relaxed"), *filter(None, map(record.plain, ("vq", "none")))]
    for data in record.datasets:
        here = [summary for arm in (exact, *others) if (summary := record.centre(arm, data)) is not None]
        own = record.centre(exact, data)
        if own is None or len(here) < 2:
            continue
        told.sentences += _sentences(record, data, own, others)
        told.tables.append(centre_table(record, data))
        for name in _SHOWN:
            caption = f"{data}: {METRICS[name].title} of held-out pictures at the centre of the study."
            told.draw(f"{data}_{name}", caption, dots(here, METRICS[name]))
    return told if told.sentences else None


def _sentences(record: StudyRecord, data: str, own: Summary, others: list[str]) -> list[str]:
    """The exact arm against each other one, in PSNR, over the seeds that both have; and its hard decoding."""
    told, parts = [], []
    for arm in others:
        other = record.centre(arm, data)
        ahead = differences(record, own, other, "psnr") if other is not None else []
        if ahead:
            better = sum(value > 0 for value in ahead)
            parts.append(f"{spread(ahead, 'dB', sign='+')} against {arm} (ahead in {better} of {len(ahead)} seeds)")
    if "psnr" in own.numbers:
        told.append(f"{data}: {own.arm} has {shown(own, METRICS['psnr'])} dB{': ' if parts else ''}{'; '.join(parts)}.")
    if {"mse", "hard_mse"} <= set(own.numbers):
        told.append(
            f"{data}: decoded by its largest weight alone {own.arm} has an MSE of "
            f"{shown(own, METRICS['hard_mse'])}·10⁻³ in place of {shown(own, METRICS['mse'])}·10⁻³."
        )
    return told
