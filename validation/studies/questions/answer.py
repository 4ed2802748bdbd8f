"""An answer: sentences, figures and tables, all computed from the runs."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from scq.validation.common.metrics import Metric
from scq.validation.common.plots.panel import Panel
from scq.validation.common.plots.style import save
from scq.validation.common.tables import Table
from scq.validation.studies.plots.series import Axis, Series, lines
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.results.summary import Summary


@dataclass
class Answer:
    """What a study says to one question.

    Attributes:
        name: for addresses in the page and the names of figures.
        question: in words.
        sentences: the answer in words, each from numbers of the runs.
        panels, tables: what it rests on.
    """

    name: str
    question: str
    figures: Path
    sentences: list[str] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def draw(self, name: str, caption: str, drawing: Figure | None) -> None:
        """Adds a figure, when there is one."""
        if drawing is not None:
            full = f"{self.name}_{name}"
            self.panels.append(Panel(full, caption, save(drawing, self.figures, full)))

    def along(
        self, name: str, caption: str, record: StudyRecord, arms: Sequence[str], setting: str, y: str, axis: Axis
    ) -> None:
        """Adds a figure of a number over the values of a setting, on the first data set."""
        series = [one for arm in arms if len((one := slice_of(record, arm, setting, y)).x) > 1]
        x = Axis(_TITLES[setting], log=True)
        if series:
            self.draw(name, caption, lines(series, x, axis))


_TITLES = {
    "lam": "lam",
    "codebook_size": "codewords K",
    "dim": "channels of a latent F",
    "lam_end": "lam at the end of training",
    "steps": "optimiser steps",
}


Values = tuple[float, ...]


def over(
    record: StudyRecord, arm: str, setting: str, *names: str, data: str | None = None
) -> list[tuple[float, list[Values]]]:
    """Numbers of an arm over the values of a setting, all else as at the centre: where it has all of them, ascending.

    Args:
        data: the data set; by default the first.

    Returns:
        The value of the setting, and for each name the numbers of the seeds.
    """
    there = [s for s in record.of(arm, data or record.datasets[0]) if {key for key, _ in s.varied} <= {setting}]
    points = [
        (float(s.settings[setting]), [s.numbers[name].values for name in names])
        for s in there
        if all(name in s.numbers for name in names)
    ]
    return sorted(points, key=lambda point: point[0])


def slice_of(record: StudyRecord, arm: str, setting: str, name: str) -> Series:
    """A number of an arm over the values of a setting on the first data set, all else as at the centre; of a time with
    its ranges."""
    points = over(record, arm, setting, name)
    lowest, highest = (over(record, arm, setting, f"{name}_{end}") for end in ("min", "max"))
    ranges = [(min(low), max(high)) for (_, (low,)), (_, (high,)) in zip(lowest, highest, strict=True)]
    return Series(arm, [x for x, _ in points], [values for _, (values,) in points], ranges)


def differences(record: StudyRecord, a: Summary, b: Summary, name: str) -> list[float]:
    """a - b of a number, over the seeds that both have: both start from the same weights and see the same batches."""
    one, other = record.by_seed(a, name), record.by_seed(b, name)
    return [one[seed] - other[seed] for seed in one if seed in other]


def spread(values: Sequence[float], unit: str = "", digits: int = 3, scale: float = 1.0, sign: str = "") -> str:
    """Mean and sample standard deviation in words; ``sign`` is "+" for a difference."""
    mean = f"{statistics.fmean(values) * scale:{sign}.{digits}g}"
    deviation = f" ± {statistics.stdev(values) * scale:.2g}" if len(values) > 1 else ""
    return f"{mean}{deviation}{unit and ' ' + unit}"


def shown(summary: Summary, metric: Metric) -> str:
    """A metric of a summary in words."""
    return spread(summary.numbers[metric.name].values, digits=metric.digits, scale=metric.scale)
