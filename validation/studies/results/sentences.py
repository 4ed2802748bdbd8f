"""What a study says in words, computed from its numbers."""

from scq.validation.common.metrics import metric
from scq.validation.common.seeds import over_seeds
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary


def headline(record: StudyRecord) -> str:
    """How far the study is, and the arm with the lowest error on each data set at each size, if the model has one."""
    done = len([row for row in record.rows if row["state"] == "done"])
    start = f"{done} of {record.planned} runs are done"
    best = [part for place in _places(record) if (part := _best(record, *place))]
    if record.model.errors is None:
        return f"{start}."
    if best:
        how = over_seeds((summary.seeds for summary in record.summaries), "means")
        return f"{start}. Lowest {metric(record.model.errors[0]).label}, {how}: {'; '.join(best)}."
    return f"{start}; no final run with a codebook is among them."


def _best(record: StudyRecord, data: str, size: int) -> str | None:
    """Soft and hard codes apart: the first carries more bits."""
    here = [s for s in record.summaries if (s.data, s.size) == (data, size) and not _elsewhere(s)]
    errors = record.model.errors or ()
    here = [s for s in here if {*errors} <= set(s.numbers)]
    if not here or not errors:
        return None
    soft, hard = (min(here, key=lambda summary: summary.numbers[name].mean) for name in errors)
    return (
        f"{data}, K {size}, {soft.arm} as trained ({_error(soft, errors[0])}) and {hard.arm} by hard codes "
        f"({_error(hard, errors[1])})"
    )


def _error(summary: Summary, name: str) -> str:
    of = metric(name)
    return of.with_unit(f"{summary.numbers[name].mean * of.scale:.2f}")


def _places(record: StudyRecord) -> dict[tuple[str, int], None]:
    return dict.fromkeys((summary.data, summary.size) for summary in record.summaries if not _elsewhere(summary))


def _elsewhere(summary: Summary) -> bool:
    """Whether more than the codebook size differs from the centre."""
    return any(name != "codebook_size" for name, _ in summary.varied)
