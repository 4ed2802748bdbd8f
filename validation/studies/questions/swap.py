"""What does a model that was trained with one solver do with the other?"""

import statistics
from collections.abc import Sequence
from pathlib import Path

from scq.validation.common.metrics import METRICS, Metric
from scq.validation.common.seeds import over_seeds
from scq.validation.common.tables import Cell, number, table, text
from scq.validation.studies.questions.answer import Answer, spread
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Row

_METRICS = ("psnr", "ssim", "mse", "hard_mse", "hard_perplexity", "active_codes")


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    reply = Answer("swap", "Swap test: what does a model that was trained with one solver do with the other?", figures)
    rows: list[list[Cell]] = []
    seeds: list[int] = []
    for data in record.datasets:
        for arm in record.arms("scq", "scq_relaxed", "scq_annealed"):
            summary = record.centre(arm, data)
            runs = [row for row in record.runs(summary) if row["measures"].get("swap")] if summary else []
            if not runs:
                continue
            other = runs[0]["measures"]["swap"]["solver"]
            pairs = {name: _pairs(runs, name) for name in _METRICS}
            seeds += [len(pairs[name]) for name in _METRICS]
            if pairs["psnr"]:
                change = spread([swapped - unswapped for unswapped, swapped in pairs["psnr"]], "dB", sign="+")
                reply.sentences.append(f"{data}: the PSNR of {arm} changes by {change} with the {other} solver.")
            for side, label in enumerate(("its own", other)):
                cells = (_mean([pair[side] for pair in pairs[name]], METRICS[name]) for name in _METRICS)
                rows.append([text(data), text(arm), text(label), *cells])
    if not rows:
        return None
    headings = ("data", "trained", "tested with", *(METRICS[name].title for name in _METRICS))
    caption = f"Held-out pictures with the solver of training and with the other, {over_seeds(seeds, 'means')}"
    reply.tables.append(table(caption, headings, rows))
    return reply


def _pairs(runs: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """A metric with either solver, of the seeds that have both."""
    tests = [(row["test"].get(name), row["measures"]["swap"]["test"].get(name)) for row in runs]
    return [(unswapped, swapped) for unswapped, swapped in tests if unswapped is not None and swapped is not None]


def _mean(values: Sequence[float], metric: Metric) -> Cell:
    return number(statistics.fmean(values) if values else None, metric.digits, metric.scale)
