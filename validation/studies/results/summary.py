"""What the cells of a study say together: the choice of settings, means over seeds, and who recovered."""

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scq.validation.common.measuring.timing import Repeated, pooled, repeated
from scq.validation.studies.cells import Choice, Place, Varied

Row = Mapping[str, Any]

COLLAPSED_BELOW = 0.1
"""Of the perplexity that a batch can have at most: the share below which a codebook is called collapsed."""

_ROUNDING = 1e-6
"""Relative; of errors in float32."""


@dataclass(frozen=True)
class Spread:
    """A number over seeds.

    Attributes:
        mean: over the seeds.
        deviation: the sample standard deviation, with n - 1; None of one seed.
        values: of each seed.
    """

    mean: float
    deviation: float | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class Summary:
    """One arm on one data set at one point of a slice.

    Attributes:
        settings: of its runs: those of :data:`scq.validation.studies.runner.SETTINGS`.
        seeds: how many seeds the numbers are of.
        failed: how many more were tried in vain.
        numbers: by the name of the metric; without those that do not apply.
        timings: by the name of the metric, the repeats of all seeds together.
    """

    arm: str
    data: str
    varied: Varied
    settings: Mapping[str, Any]
    seeds: int
    failed: int
    numbers: Mapping[str, Spread]
    timings: Mapping[str, Repeated] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """K."""
        return self.settings["codebook_size"]


def choose(
    rows: Sequence[Row], hard_arms: Collection[str] = (), errors: tuple[str, str] = ("mse", "hard_mse")
) -> dict[Place, Row]:
    """At every place the trial with the smallest error of the validation examples; none where all trials failed.

    A tie goes to the trial that comes first.

    Args:
        rows: of the tuning.
        hard_arms: whose error is that of hard decoding.
        errors: the two, as the model's entry has them.
    """
    choices = {}
    for place, trials in _grouped(rows).items():
        name = errors[place[0] in hard_arms]
        done = [row for row in trials if _number(row, name) is not None]
        if done:
            choices[place] = min(done, key=lambda row: row["test"][name])
    return choices


def choice_of(row: Row) -> Choice:
    """The settings that a trial was made with."""
    return Choice(row["learning_rate"], row["factor"])


def summarize(rows: Sequence[Row]) -> list[Summary]:
    """The final runs, by place in the order in which they were run."""
    summaries = []
    for place, runs in _grouped(rows).items():
        finished = [row for row in runs if row["state"] == "done"]
        done, timed = [numbers(row) for row in finished], [timings(row) for row in finished]
        names = dict.fromkeys(name for test in done for name in test)
        spreads = {name: _spread(test.get(name) for test in done) for name in names}
        present = {name: spread for name, spread in spreads.items() if spread is not None}
        together = {name: pooled(of_run[name] for of_run in timed if of_run) for of_run in timed for name in of_run}
        summaries.append(Summary(*place, runs[0], len(done), len(runs) - len(done), present, together))
    return summaries


def numbers(row: Row) -> dict[str, float | int | None]:
    """All that was measured of a run and is one number.

    The test metrics; the cost; the last line of the log, under its names with slashes; the metrics of the swap test
    under names with "swap_" before; ``hardening``: by how much the MSE grows when only the largest weight is kept; and
    the medians of :func:`timings`, with the smallest and the largest under names that end in "_min" and "_max".
    """
    test, measures = row.get("test", {}), row.get("measures", {})
    cost = measures.get("cost", {})
    named = {**row.get("log", {}), **test, "hardening": _hardening(test)}
    named |= {name: cost[name] for name in ("memory", "load") if name in cost}
    named |= {f"swap_{name}": value for name, value in measures.get("swap", {}).get("test", {}).items()}
    named = {name: value for name, value in named.items() if name.removeprefix("swap_") not in _ONE_PASS}
    for name, value in timings(row).items():
        named |= {name: value.median, f"{name}_min": value.minimum, f"{name}_max": value.maximum}
    return named


_ONE_PASS = ("pictures_per_second",)
"""Test metrics of older runs that are of one pass, and so no measurement."""


def timings(row: Row) -> dict[str, Repeated]:
    """The repeated times of a run: pictures_per_second and step_seconds, and forward_ratio and step_ratio, how many
    times as long as without quantization, in turns. Nothing of a run from before the repeats were kept."""
    cost = row.get("measures", {}).get("cost", {})
    times = {name: repeated(cost.get(name, ())) for name in ("forward", "plain_forward", "step", "plain_step")}
    forward, plain_forward, step, plain_step = times.values()
    if not (forward and plain_forward and step and plain_step):
        return {}
    return {
        "pictures_per_second": forward.rate(cost["pictures"]),
        "step_seconds": step,
        "forward_ratio": forward.over(plain_forward),
        "step_ratio": step.over(plain_step),
    }


def _hardening(test: Mapping[str, float | None]) -> float | None:
    soft, hard = test.get("mse"), test.get("hard_mse")
    if soft is None or hard is None:
        return None
    # A hard code decoded twice differs by rounding, which is no loss.
    return 0.0 if math.isclose(soft, hard, rel_tol=_ROUNDING) else hard - soft


def recovery(steps: Sequence[float | int], perplexities: Sequence[float | int], ceiling: int) -> int | None:
    """The first step from which the hard perplexity stays at or above a tenth of ``ceiling``; None when it does not.

    Args:
        steps, perplexities: of the log.
        ceiling: the largest perplexity that a batch can have, min(K, latents in it).
    """
    recovered = None
    for step, perplexity in zip(steps, perplexities, strict=True):
        if not perplexity >= COLLAPSED_BELOW * ceiling:
            recovered = None
        elif recovered is None:
            recovered = int(step)
    return recovered


def place_of(row: Row) -> Place:
    """Whose run it is, and where."""
    return row["arm"], row["data"], tuple(sorted(row["varied"].items()))


def _grouped(rows: Iterable[Row]) -> dict[Place, list[Row]]:
    groups: dict[Place, list[Row]] = {}
    for row in rows:
        groups.setdefault(place_of(row), []).append(row)
    return groups


def _number(row: Row, name: str) -> float | None:
    """JSON has null where a number was not finite."""
    value = row.get("test", {}).get(name)
    return value if value is not None and math.isfinite(value) else None


def _spread(values: Iterable[float | None]) -> Spread | None:
    present = tuple(float(value) for value in values if value is not None and math.isfinite(value))
    if not present:
        return None
    return Spread(statistics.fmean(present), statistics.stdev(present) if len(present) > 1 else None, present)
