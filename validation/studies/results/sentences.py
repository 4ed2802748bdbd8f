"""What a study says in words, computed from its numbers."""

from scq.validation.common.seeds import over_seeds
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary


def headline(record: StudyRecord) -> str:
    """How far the study is, and the arm with the lowest error on each data set at each size."""
    done = len([row for row in record.rows if row["state"] == "done"])
    start = f"{done} of {record.planned} runs are done"
    best = [part for place in _places(record) if (part := _best(record, *place))]
    if best:
        how = over_seeds((summary.seeds for summary in record.summaries), "means")
        return f"{start}. Lowest MSE, {how}: {'; '.join(best)}."
    return f"{start}; no final run with a codebook is among them."


def _best(record: StudyRecord, data: str, size: int) -> str | None:
    """Soft and hard codes apart: the first carries more bits."""
    here = [s for s in record.summaries if (s.data, s.size) == (data, size) and not _elsewhere(s)]
    here = [s for s in here if {"mse", "hard_mse"} <= set(s.numbers)]
    if not here:
        return None
    soft = min(here, key=lambda summary: summary.numbers["mse"].mean)
    hard = min(here, key=lambda summary: summary.numbers["hard_mse"].mean)
    return (
        f"{data}, K {size}, {soft.arm} as trained ({_mse(soft, 'mse')}) and {hard.arm} by hard codes "
        f"({_mse(hard, 'hard_mse')})"
    )


def _mse(summary: Summary, name: str) -> str:
    return f"{summary.numbers[name].mean * 1e3:.2f}·10⁻³"


def _places(record: StudyRecord) -> dict[tuple[str, int], None]:
    return dict.fromkeys((summary.data, summary.size) for summary in record.summaries if not _elsewhere(summary))


def _elsewhere(summary: Summary) -> bool:
    """Whether more than the codebook size differs from the centre."""
    return any(name != "codebook_size" for name, _ in summary.varied)
