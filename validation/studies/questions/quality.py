"""Who reconstructs held-out pictures better, at equal settings?"""

from pathlib import Path

from scq.validation.common.metrics import METRICS
from scq.validation.common.seeds import over_seeds
from scq.validation.studies.plots.arms import dots
from scq.validation.studies.questions.answer import Answer, differences, shown, spread
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary
from scq.validation.studies.results.tables import centre_table

_SHOWN = ("mse", "psnr", "ssim", "hard_mse")


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    exact = record.plain("scq")
    if exact is None:
        return None
    reply = Answer("quality", "At equal settings, who reconstructs held-out pictures better?", figures)
    others = [*record.arms("scq_relaxed"), *filter(None, map(record.plain, ("vq", "none")))]
    for data in record.datasets:
        here = [summary for arm in (exact, *others) if (summary := record.centre(arm, data)) is not None]
        of_exact = record.centre(exact, data)
        if of_exact is None or len(here) < 2:
            continue
        reply.sentences += _sentences(record, data, of_exact, others)
        reply.tables.append(centre_table(record, data))
        for name in _SHOWN:
            how = over_seeds(summary.seeds for summary in here)
            caption = (
                f"{data}: {METRICS[name].title.split(',')[0]} of held-out pictures at the centre of the study; {how}."
            )
            reply.draw(f"{data}_{name}", caption, dots(here, METRICS[name]))
    return reply if reply.sentences else None


def _sentences(record: StudyRecord, data: str, exact: Summary, others: list[str]) -> list[str]:
    """The exact arm against each other one, in PSNR, over the seeds that both have; and its hard decoding."""
    sentences, parts = [], []
    for arm in others:
        other = record.centre(arm, data)
        ahead = differences(record, exact, other, "psnr") if other is not None else []
        if ahead:
            better = sum(value > 0 for value in ahead)
            parts.append(f"{spread(ahead, 'dB', sign='+')} against {arm} (ahead in {better} of {len(ahead)} seeds)")
    if "psnr" in exact.numbers:
        sentences.append(
            f"{data}: {exact.arm} has {shown(exact, METRICS['psnr'])} dB{': ' if parts else ''}{'; '.join(parts)}."
        )
    if {"mse", "hard_mse"} <= set(exact.numbers):
        sentences.append(
            f"{data}: decoded by its largest weight alone {exact.arm} has an MSE of "
            f"{shown(exact, METRICS['hard_mse'])}·10⁻³ in place of {shown(exact, METRICS['mse'])}·10⁻³."
        )
    return sentences
