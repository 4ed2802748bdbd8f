"""Who reconstructs held-out pictures better, at equal settings?"""

from pathlib import Path

from validation.metrics import METRICS
from validation.plots.series import dots
from validation.studies.questions.answer import Answer, differences, shown, spread
from validation.studies.record import StudyRecord
from validation.studies.tables import centre_table

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
        told.sentences.append(_sentence(record, data, exact, others))
        told.tables.append(centre_table(record, data))
        for name in _SHOWN:
            caption = f"{data}: {METRICS[name].title} of held-out pictures at the centre of the study."
            told.draw(f"{data}_{name}", caption, dots(here, METRICS[name]))
    return told if told.sentences else None


def _sentence(record: StudyRecord, data: str, exact: str, others: list[str]) -> str:
    """The exact arm against each other one, in PSNR, over the seeds that both have."""
    own = record.centre(exact, data)
    assert own is not None
    parts = []
    for arm in others:
        other = record.centre(arm, data)
        if other is None:
            continue
        ahead = differences(record, own, other, "psnr")
        better = sum(value > 0 for value in ahead)
        parts.append(f"{spread(ahead, 'dB', signed=True)} against {arm} (ahead in {better} of {len(ahead)} seeds)")
    return (
        f"{data}: {exact} has {shown(own, METRICS['psnr'])} dB, which is {'; '.join(parts)}. Decoded by its largest "
        f"weight alone it has an MSE of {shown(own, METRICS['hard_mse'])}·10⁻³ in place of "
        f"{shown(own, METRICS['mse'])}·10⁻³."
    )
