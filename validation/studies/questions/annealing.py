"""Is SCQ with a rising lam a better discrete quantizer?"""

from pathlib import Path

from scq.validation.common.metrics import METRICS
from scq.validation.studies.plots.arms import dots
from scq.validation.studies.plots.series import Axis
from scq.validation.studies.questions.answer import Answer, over, shown, spread
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary
from scq.validation.studies.results.tables import SHOWN, described

_SHOWN = (METRICS["hard_mse"], SHOWN["hard_perplexity"], SHOWN["tightness"])


def answer(record: StudyRecord, figures: Path) -> Answer | None:
    annealed = record.arms("scq_annealed")
    if not annealed:
        return None
    reply = Answer("annealing", "Annealing: is SCQ with a rising lam a better discrete quantizer?", figures)
    others = [arm for arm in record.plan["arms"] if arm not in annealed]
    for data in record.datasets:
        here = [
            s for arm in (*annealed, *others) if (s := record.centre(arm, data)) is not None and "hard_mse" in s.numbers
        ]
        for metric in _SHOWN:
            reply.draw(
                f"{data}_{metric.name}",
                f"{data}: {metric.title}, of held-out pictures at the centre.",
                dots(here, metric),
            )
        reply.sentences += _sentences(record, data, annealed)
    data = record.datasets[0]
    for name, title in (
        ("hard_mse", "MSE of hard decoding"),
        ("tightness", "distance to a vertex"),
        ("hard_perplexity", "hard perplexity"),
    ):
        axis = Axis(title, log=name != "hard_perplexity")
        reply.along(f"lam_end_{name}", f"{data}: {title} over the last lam.", record, annealed, "lam_end", name, axis)
        for setting in ("codebook_size", "steps"):
            caption = f"{data}: {title} over {'K' if setting == 'codebook_size' else 'the number of optimiser steps'}."
            reply.along(f"{setting}_{name}", caption, record, [*annealed, *others], setting, name, axis)
    reply.sentences += _along_lam_end(record, data, annealed)
    return reply if reply.sentences else None


def _along_lam_end(record: StudyRecord, data: str, annealed: list[str]) -> list[str]:
    """What the last lam does to the hard code, for every way to get there."""
    sentences = []
    for arm in annealed:
        over_lam_end = over(record, arm, "lam_end", "hard_mse", "hardening", "hard_perplexity")
        if len(over_lam_end) < 2:
            continue
        parts = [
            f"to {lam:g}, {spread(hard, scale=1e3)}·10⁻³ of which {spread(added, scale=1e3)}·10⁻³ is added by hard "
            f"decoding, perplexity {spread(used)}"
            for lam, (hard, added, used) in over_lam_end
        ]
        sentences.append(f"{data}, {arm}, MSE of hard decoding as lam rises {'; '.join(parts)}.")
    return sentences


def _sentences(record: StudyRecord, data: str, annealed: list[str]) -> list[str]:
    """At every place where both are, the best annealed arm against the best of the others, by hard decoding."""
    groups: dict[tuple, list[Summary]] = {}
    for summary in record.summaries:
        if summary.data == data and "hard_mse" in summary.numbers:
            # Where lam ends and how fast it rises is the annealed arm's own affair.
            varied = tuple(pair for pair in summary.varied if pair[0] not in ("lam_end", "anneal_share"))
            groups.setdefault(varied, []).append(summary)
    sentences = []
    for varied, summaries in groups.items():
        ours = [summary for summary in summaries if summary.arm in annealed]
        rest = [summary for summary in summaries if summary.arm not in annealed]
        if ours and rest:
            best, other = (min(group, key=lambda s: s.numbers["hard_mse"].mean) for group in (ours, rest))
            sentences.append(
                f"{data}, {described(varied) or 'at the centre'}: by hard decoding {_named(best)}, the best of "
                f"{len(ours)} annealed, has {_error(best)}; the best of {len(rest)} others, {_named(other)}, "
                f"{_error(other)}{_change(record, best, other)}."
            )
    return sentences


def _error(summary: Summary) -> str:
    used = summary.numbers.get("hard_perplexity")
    perplexity = f" (perplexity {used.mean:.3g})" if used else ""
    return f"an MSE of {shown(summary, METRICS['hard_mse'])}·10⁻³{perplexity}"


def _change(record: StudyRecord, best: Summary, other: Summary) -> str:
    """By how much, over the seeds that both have."""
    one, two = record.by_seed(best, "hard_mse"), record.by_seed(other, "hard_mse")
    both = [seed for seed in one if two.get(seed)]
    if not both:
        return ""
    change = sum(one[seed] for seed in both) / sum(two[seed] for seed in both) - 1
    return f": {100 * change:+.0f} % over the {len(both)} seeds that both have"


def _named(summary: Summary) -> str:
    way = tuple(pair for pair in summary.varied if pair[0] in ("lam_end", "anneal_share"))
    return f"{summary.arm} ({described(way)})" if way else summary.arm
