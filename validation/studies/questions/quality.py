"""Who reconstructs held-out pictures better, at equal settings?"""

from pathlib import Path

from scq.validation.common.metrics import METRICS, metric
from scq.validation.common.seeds import over_seeds
from scq.validation.studies.plots.arms import dots
from scq.validation.studies.questions.answer import Answer, differences, shown, spread
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary
from scq.validation.studies.results.tables import centre_table

_SHOWN = ("mse", "psnr", "ssim", "hard_mse", "accuracy", "cross_entropy", "hard_accuracy", "hard_cross_entropy")


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    exact = record.plain("scq")
    if exact is None:
        return None
    kind = record.model.kind
    reply = Answer("quality", f"At equal settings, who reconstructs held-out {kind} better?", figures)
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
            caption = f"{data}: {METRICS[name].label} of held-out {kind} at the centre of the study; {how}."
            reply.draw(f"{data}_{name}", caption, dots(here, METRICS[name]))
    return reply if reply.sentences else None


def _sentences(record: StudyRecord, data: str, exact: Summary, others: list[str]) -> list[str]:
    """The exact arm against each other one, in the number that sums a run up, over the seeds that both have; and its
    hard decoding."""
    sentences, parts = [], []
    best = metric(record.model.headline[0])
    for arm in others:
        other = record.centre(arm, data)
        ahead = differences(record, exact, other, best.name) if other is not None else []
        if ahead:
            better = sum(value > 0 for value in ahead)
            by = best.with_unit(spread(ahead, scale=best.scale, sign="+"))
            parts.append(f"{by} against {arm} (ahead in {better} of {len(ahead)} seeds)")
    if best.name in exact.numbers:
        sentences.append(
            f"{data}: {exact.arm} has {best.label} {best.with_unit(shown(exact, best))}{': ' if parts else ''}"
            f"{'; '.join(parts)}."
        )
    soft, hard = map(metric, record.model.errors or ("", ""))
    if {soft.name, hard.name} <= set(exact.numbers):
        sentences.append(
            f"{data}: decoded by its largest weight alone {exact.arm} has {soft.label} "
            f"{hard.with_unit(shown(exact, hard))} in place of {soft.with_unit(shown(exact, soft))}."
        )
    return sentences
