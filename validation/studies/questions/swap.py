"""What does a model that was trained with one solver do with the other?"""

from pathlib import Path

from validation.metrics import METRICS
from validation.studies.questions.answer import Answer, spread
from validation.studies.record import StudyRecord
from validation.tables import Cell, number, table, text

_METRICS = ("psnr", "ssim", "mse", "hard_mse", "hard_perplexity", "active_codes")


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    told = Answer("swap", "Swap test: what does a model that was trained with one solver do with the other?", figures)
    rows: list[list[Cell]] = []
    for data in record.datasets:
        for arm in record.arms("scq", "scq_relaxed", "scq_annealed"):
            summary = record.centre(arm, data)
            if summary is None or "swap_psnr" not in summary.numbers:
                continue
            other = record.runs(summary)[0]["measures"]["swap"]["solver"]
            own, swapped = record.by_seed(summary, "psnr"), record.by_seed(summary, "swap_psnr")
            change = [swapped[seed] - own[seed] for seed in own if seed in swapped]
            told.sentences.append(
                f"{data}: {arm} with the {other} solver changes by {spread(change, 'dB', signed=True)}."
            )
            for label, prefix in (("its own", ""), (other, "swap_")):
                spreads = (summary.numbers.get(prefix + name) for name in _METRICS)
                cells = (
                    number(s.mean if s else None, METRICS[name].digits, METRICS[name].scale)
                    for s, name in zip(spreads, _METRICS, strict=True)
                )
                rows.append([text(data), text(arm), text(label), *cells])
    if not rows:
        return None
    headings = ("data", "trained", "tested with", *(METRICS[name].title for name in _METRICS))
    told.tables.append(
        table("Held-out pictures with the solver of training and with the other, means over seeds", headings, rows)
    )
    return told
