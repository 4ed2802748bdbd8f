"""The tables of docs/study.md that stand beside its prose, from the runs of the study."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scq.validation.common.tables import markdown
from scq.validation.studies.questions import rule
from scq.validation.studies.questions.answer import differences, over, spread
from scq.validation.studies.questions.convergence import sentences as convergence
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary

SOFT = ("scq", "scq_relaxed", "scq_annealed")


def tables(record: StudyRecord) -> dict[str, str]:
    """By the marker of the page."""
    makers: dict[str, Callable[[StudyRecord], str]] = {
        "against": _against,
        "programme": _programme,
        "swap": _swap,
        "lam": _lam,
        "codebook_size": lambda record: _size(record, "codebook_size", "K"),
        "dim": lambda record: _size(record, "dim", "F"),
        "usage": _usage,
        "convergence": _convergence,
        "rate": _rate,
        "lam_end": _lam_end,
        "ranking": _ranking,
        "safe": _safe,
    }
    return {name: make(record) for name, make in makers.items()}


def _own(record: StudyRecord, arm: str) -> list[Summary]:
    return [s for data in record.datasets if (s := record.centre(arm, data)) is not None]


def _against(record: StudyRecord) -> str:
    rows = []
    for arm in ("relaxed_1", "relaxed_5", "relaxed", "relaxed_200", "relaxed_projected", "vq", "vq_ema", "none"):
        ahead = [
            differences(record, a, b, "psnr") for a, b in zip(_own(record, "exact"), _own(record, arm), strict=True)
        ]
        every = [value for values in ahead for value in values]
        won = f"{sum(value > 0 for value in every)} of {len(every)}"
        rows.append([arm, ", ".join(spread(values, sign="+") for values in ahead), won])
    return markdown(("against", "difference, dB", "ahead in"), rows)


def _points(record: StudyRecord, summary: Summary, measure: str) -> list[dict[str, Any]]:
    return [point for row in record.runs(summary) for point in row["measures"].get(measure, {}).get("points", ())]


def _programme(record: StudyRecord) -> str:
    """Means over seeds, from the least to the largest of the data sets."""
    headings = (
        *("latents trained by", "m", "distance of the weights, L2", "primal residual, largest"),
        *("quantisation error, ratio", "decoded MSE, ratio", "cosine of ∂L/∂Z", "norm ratio of ∂L/∂Z"),
        "cosine of ∂L/∂C",
    )
    numbers: tuple[Callable[[dict[str, Any]], float], ...] = (
        lambda p: p["weights_l2"],
        lambda p: p["primal_relaxed"],
        lambda p: p["quantization_mse_relaxed"] / p["quantization_mse_exact"],
        lambda p: p["decoded_mse_relaxed"] / p["decoded_mse_exact"],
        lambda p: p["gradient_latents_cosine"],
        lambda p: p["gradient_latents_ratio"],
        lambda p: p["gradient_codebook_cosine"],
    )
    rows = []
    for arm in ("exact", "relaxed"):
        every = [_points(record, summary, "relaxations") for summary in _own(record, arm)]
        for steps in dict.fromkeys(point["steps"] for points in every for point in points):
            cells = []
            for number in numbers:
                means = [statistics.fmean(number(p) for p in points if p["steps"] == steps) for points in every]
                cells.append(f"{min(means):.2g} to {max(means):.2g}")
            rows.append([arm, "projection" if steps is None else str(steps), *cells])
    return markdown(headings, rows)


def _swap(record: StudyRecord) -> str:
    rows = []
    for arm in record.arms(*SOFT):
        changes = []
        for summary in _own(record, arm):
            own, other = record.by_seed(summary, "psnr"), record.by_seed(summary, "swap_psnr")
            if other:
                changes.append(spread([other[seed] - own[seed] for seed in other], sign="+"))
        if changes:
            rows.append([arm, ", ".join(changes)])
    return markdown(("trained", "change, dB"), rows)


_LAM = {
    "PSNR, dB": ("psnr", 4, 1.0),
    "MSE of hard decoding, 10⁻³": ("hard_mse", 3, 1e3),
    "support": ("support_size", 2, 1.0),
    "largest weight": ("quantizer/largest_weight", 2, 1.0),
    "hard perplexity": ("hard_perplexity", 3, 1.0),
    "soft perplexity": ("soft_perplexity", 3, 1.0),
    "iterations": ("quantizer/iterations", 3, 1.0),
}
_SIZE = {
    "PSNR, dB": ("psnr", 4, 1.0),
    "MSE of hard decoding, 10⁻³": ("hard_mse", 3, 1e3),
    "hard perplexity": ("hard_perplexity", 3, 1.0),
    "codewords used": ("active_codes", 3, 1.0),
    "support": ("support_size", 2, 1.0),
}
_LAM_END = {
    "MSE of hard decoding, 10⁻³": ("hard_mse", 3, 1e3),
    "of which added by hard decoding": ("hardening", 2, 1e3),
    "distance to a vertex": ("tightness", 2, 1.0),
    "hard perplexity": ("hard_perplexity", 3, 1.0),
}


def _along(
    record: StudyRecord, arms: Sequence[str], setting: str, title: str, columns: dict[str, tuple[str, int, float]]
) -> str:
    rows = []
    for arm in arms:
        for value, numbers in over(record, arm, setting, *(name for name, _, _ in columns.values())):
            cells = (
                spread(own, digits=digits, scale=scale)
                for own, (_, digits, scale) in zip(numbers, columns.values(), strict=True)
            )
            rows.append([arm, f"{value:g}", *cells])
    return markdown(("arm", title, *columns), rows)


def _lam(record: StudyRecord) -> str:
    return _along(record, ("exact", "relaxed"), "lam", "lam", _LAM)


def _size(record: StudyRecord, setting: str, letter: str) -> str:
    return _along(record, ("exact", "relaxed", "vq", *(("vq_ema",) if letter == "K" else ())), setting, letter, _SIZE)


def _lam_end(record: StudyRecord) -> str:
    return _along(record, record.arms("scq_annealed"), "lam_end", "last lam", _LAM_END)


def _usage(record: StudyRecord) -> str:
    sizes = [float(record.train["codebook_size"]), 1024.0]
    headings = ["arm", *(f"{data}, K {size:g}" for data in record.datasets for size in sizes)]
    rows = []
    for arm in ("exact", "relaxed", "annealed", "vq", "vq_ema"):
        cells = []
        for data in record.datasets:
            found = dict(over(record, arm, "codebook_size", "hard_perplexity", data=data))
            for size in sizes:
                cells.append(f"{100 * statistics.fmean(found[size][0]) / size:.0f} %" if size in found else "—")
        rows.append([arm, *cells])
    return markdown(headings, rows)


def _convergence(record: StudyRecord) -> str:
    points = _points(record, _own(record, "exact")[0], "replays")
    return "\n".join(f"- {sentence}" for sentence in convergence(record, "exact", record.datasets[0], points))


def _rate(record: StudyRecord) -> str:
    rows = []
    for arm in ("exact", "relaxed", "annealed", "vq", "vq_ema"):
        cells = []
        for summary in _own(record, arm):
            points = _points(record, summary, "rate")
            parts = []
            for cap in dict.fromkeys(point["cap"] for point in points):
                error, bits = (
                    statistics.fmean(point[name] for point in points if point["cap"] == cap) for name in ("mse", "bits")
                )
                parts.append(f"{1e3 * error:.1f} at {bits:.0f} bits")
            cells.append("; ".join(parts))
        rows.append([arm, *cells])
    return markdown(("arm", *record.datasets), rows)


def _ranking(record: StudyRecord) -> str:
    lines = []
    for data in record.datasets:
        found = [s for arm in record.plan["arms"] if (s := record.centre(arm, data)) and "hard_mse" in s.numbers]
        found.sort(key=lambda summary: summary.numbers["hard_mse"].mean)
        lines.append(f"- {data}: " + ", ".join(f"{s.arm} {1e3 * s.numbers['hard_mse'].mean:.3g}" for s in found))
    return "\n".join(lines)


def _safe(record: StudyRecord) -> str:
    found = rule.points_of(record)
    seen, new = ([point for point in found if point.derived == kind] for kind in (True, False))
    safe = [sum(point.safe for point in points) for points in (found, seen)]
    cosines = [p.cosine for p in found if p.harm <= rule.CHANGE and p.cosine is not None]
    told = (
        f"{safe[0]} of {len(found)} pairs are safe, {safe[1]} of the {len(seen)} from which the rule was to be derived "
        f"(`{record.datasets[0]}`, centre). The error of {len(cosines)} pairs changes by at most {rule.CHANGE:.0%}; "
        f"of those the cosine is {np.median(cosines):.2g} in the median."
    )
    rows = []
    for name, title in rule.PREDICTORS.items():
        orders = (
            rule.order(new, name, lambda point: point.safe),
            rule.order(new, name, lambda point: point.harm <= rule.CHANGE),
        )
        rows.append([title, *("—" if value is None else f"{value:.2f}" for value in orders)])
    headings = ("known without an exact solve", "safe", f"change of the error within {rule.CHANGE:.0%} alone")
    return f"{told}\n\n{markdown(headings, rows)}"
