"""The tables of a study."""

from collections.abc import Sequence

from scq.validation.common.measuring.timing import cell
from scq.validation.common.metrics import METRICS, Metric, metric
from scq.validation.common.seeds import over_seeds
from scq.validation.common.tables import Cell, Table, count, number, spread_cell, table, text
from scq.validation.studies.cells import Varied
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Spread, Summary, choose, place_of

SHOWN = {
    metric.name: metric
    for metric in (
        METRICS["mse"],
        METRICS["psnr"],
        METRICS["ssim"],
        *(METRICS[name] for name in ("accuracy", "cross_entropy", "hard_accuracy", "hard_cross_entropy", "code_bits")),
        *(METRICS[name] for name in ("digit_accuracy", "untrained_digit_accuracy", "speaker_accuracy")),
        *(METRICS[name] for name in ("contrastive_accuracy", "identical_negatives", "digit_information")),
        Metric("hardening", "MSE added by hard decoding, 10⁻³", scale=1e3),
        METRICS["hard_perplexity"],
        METRICS["soft_perplexity"],
        METRICS["active_codes"],
        METRICS["tightness"],
        Metric("forward_ratio", "forward pass / unquantised, median (range)"),
        Metric("memory", "memory of a step, MiB", scale=2**-20),
    )
}
"""The metrics of a study, in the order of the table. A time is a multiple of that of the model without quantizer,
which took turns with it: seconds of runs that were measured hours apart, beside others, are no comparison."""


def result_tables(record: StudyRecord) -> list[Table]:
    """A table for each data set: a line for each arm at each place, mean and standard deviation over seeds.

    With the metrics that some run has: without times where those have no spread, as of runs from before their repeats
    were kept.
    """
    there = {name for summary in record.summaries for name in (*summary.numbers, *summary.timings)}
    shown = [one for one in SHOWN.values() if one.name in there]
    return [
        table(
            f"{data}: held-out {record.model.kind}, {over_seeds(s.seeds for s in record.summaries if s.data == data)}",
            ("arm", "K", "away from the centre", "seeds", *(one.title for one in shown)),
            [_line(summary, shown) for summary in record.summaries if summary.data == data],
        )
        for data in dict.fromkeys(summary.data for summary in record.summaries)
    ]


def centre_table(record: StudyRecord, data: str) -> Table:
    """A line for each arm at the centre of a data set, with what is asked of all of them."""
    here = [summary for summary in record.summaries if summary.data == data and not summary.varied]
    shown = [metric(name) for name in _AT_THE_CENTRE if any(name in summary.numbers for summary in here)]
    return table(
        f"{data}: held-out {record.model.kind} at the centre, {over_seeds(summary.seeds for summary in here)}",
        ("arm", *(one.title for one in shown)),
        [[text(summary.arm), *(_spread(summary.numbers.get(one.name), one) for one in shown)] for summary in here],
    )


_AT_THE_CENTRE = (
    *("mse", "psnr", "ssim", "hard_mse", "accuracy", "cross_entropy", "hard_accuracy", "hard_cross_entropy"),
    *("code_bits", "digit_accuracy", "untrained_digit_accuracy", "speaker_accuracy", "contrastive_accuracy"),
    *("identical_negatives", "digit_information", "hard_perplexity", "active_codes", "tightness"),
)


def choice_table(record: StudyRecord) -> Table | None:
    """What the tuning chose, and from how many trials."""
    rows = record.stage("tune")
    if not rows:
        return None
    lines = []
    hard_arms = record.plan.get("tuning", {}).get("hard_arms", ())
    errors = record.model.errors
    assert errors is not None  # or nothing would have been tuned
    chosen = choose(rows, hard_arms, errors)
    for place in dict.fromkeys(map(place_of, rows)):
        trials = [row for row in rows if place_of(row) == place]
        best, chooses = chosen.get(place), metric(errors[place[0] in hard_arms])
        failed = sum(row["state"] == "failed" for row in trials)
        arm, data, varied = place
        lines.append(
            [
                text(arm),
                text(data),
                text(described(varied)),
                number(best["learning_rate"] if best else None),
                text(best["weight_name"] if best else None),
                number(best["weight"] if best else None),
                text(chooses.label),
                number(best["test"][chooses.name] if best else None, scale=chooses.scale),
                count(len(trials)),
                count(failed),
            ]
        )
    headings = ("arm", "data", "away from the centre", "learning rate", "weight", "its value")
    headings += ("chosen by", f"on validation {record.model.kind}, {metric(errors[0]).unit}")
    return table("Chosen settings", (*headings, "trials", "failed"), lines)


def stress_table(record: StudyRecord) -> Table | None:
    """Who recovers from the collapsed start, and when."""
    if not record.stress:
        return None
    lines = [
        [
            text(run.arm),
            number(run.perplexity[0]),
            number(run.perplexity[-1]),
            number(run.active[0]),
            number(run.active[-1]),
            Cell("no" if run.recovered is None else str(run.recovered), run.recovered),
            number(run.test.get("hard_perplexity")),
            number(run.test.get("active_codes")),
            number(run.test.get("mse"), scale=1e3),
        ]
        for run in record.stress
    ]
    headings = (
        "arm",
        "hard perplexity, first step",
        "last step",
        "codewords used, first step",
        "last step",
        "recovered at step",
        "held-out hard perplexity",
        "held-out codewords used",
        "held-out MSE, 10⁻³",
    )
    return table(f"From a collapsed start, K {record.stress[0].size}", headings, lines)


def markdown(record: StudyRecord) -> str:
    """All tables, and what is missing from them."""
    tables = [*result_tables(record), choice_table(record), stress_table(record)]
    parts = [f"{shown.caption}.\n\n{shown.markdown()}" for shown in tables if shown is not None]
    return "\n".join([*parts, *(f"- Missing: {item}\n" for item in record.missing)])


def described(varied: Varied) -> str:
    """What differs from the centre, in words."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in varied)


def _line(summary: Summary, metrics: Sequence[Metric]) -> list[Cell]:
    # The autoencoder without a codebook has no size.
    shown = count(summary.size if "hard_perplexity" in summary.numbers else None)
    rest = tuple((name, value) for name, value in summary.varied if name != "codebook_size")
    seeds = Cell(f"{summary.seeds}" + (f", {summary.failed} failed" if summary.failed else ""), summary.seeds)
    numbers = (
        cell(summary.timings.get(metric.name), metric.digits, metric.scale)
        if metric.name == "forward_ratio"
        else _spread(summary.numbers.get(metric.name), metric)
        for metric in metrics
    )
    return [text(summary.arm), shown, text(described(rest)), seeds, *numbers]


def _spread(spread: Spread | None, metric: Metric) -> Cell:
    return spread_cell(spread.values if spread else (), metric.digits, metric.scale)
