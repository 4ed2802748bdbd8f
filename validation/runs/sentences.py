"""What runs say in words, computed from their numbers."""

import statistics
from collections.abc import Mapping

from scq.quantizers import registry
from scq.validation.common.metrics import METRICS, bits, finite
from scq.validation.common.seeds import CHANCE, over_seeds
from scq.validation.common.tables import number
from scq.validation.page.sentences import hard_words
from scq.validation.runs.record import Runs, setting


def headline(runs: Runs) -> str:
    """What came out: of one run its first test number, of several that of each group."""
    first = runs.runs[0].record.settings
    if not runs.tested:
        return f"{runs.missing[0]}." if len(runs.runs) == 1 else "No run has finished."
    name = _leading(runs)
    said = {group: _value(runs, group, name) for group in runs.groups}
    if len(runs.runs) == 1:
        (value,) = said.values()
        where = f"{setting(first, 'quantizer')} on {setting(first, 'data')}"
        return f"{where}: {value} on held-out examples after {first['steps']:,} steps."
    listed = ", ".join(f"{group} {value}" for group, value in said.items())
    return f"{len(runs.runs)} runs side by side, on held-out examples: {listed}."


def beside(runs: Runs) -> list[str]:
    """What matters beside the headline: hard decoding with its rate, and the seeds."""
    tests = {group: _means(runs, group) for group in runs.groups}
    rates = {group: bits(members[0].record.settings) for group, members in runs.groups.items()}
    soft = any(_soft(str(setting(run.record.settings, "quantizer"))) for run in runs.tested)
    hard = hard_words(tests, rates, soft)
    return [sentence for sentence in (hard, _seeds(runs)) if sentence]


def _soft(quantizer: str) -> bool:
    try:
        return registry.get(quantizer).convex
    except ValueError:  # of another version, or of a user
        return False


def _seeds(runs: Runs) -> str | None:
    if not runs.tested:
        return None
    members = runs.groups.values()
    if max(map(len, members)) > 1:
        return f"Numbers of a group are {over_seeds(map(len, members))}."
    if len(runs.tested) == 1:
        return f"One seed ({runs.tested[0].record.settings['seed']}): {CHANCE}"
    return f"One seed each: {CHANCE}"


def _leading(runs: Runs) -> str:
    """The number that the headline is of: PSNR where there is one, otherwise the model's first."""
    test = runs.tested[0].test
    return "psnr" if finite(test.get("psnr")) is not None else next(iter(test))


def _means(runs: Runs, group: str) -> dict[str, float | None]:
    tests = [run.test for run in runs.groups[group]]
    found: dict[str, float | None] = {}
    for name in tests[0]:
        values = [value for test in tests if (value := finite(test.get(name))) is not None]
        found[name] = statistics.fmean(values) if values else None
    return found


def _value(runs: Runs, group: str, name: str) -> str:
    values = [value for run in runs.groups[group] if (value := finite(run.test.get(name))) is not None]
    if not values:
        return f"no {name}"
    mean = statistics.fmean(values)
    deviation = f" ± {number(statistics.stdev(values), 2).text}" if len(values) > 1 else ""
    if name == "psnr":
        return f"{mean:.2f}{deviation} dB PSNR"
    return f"{_title(name)} {number(mean, 4).text}{deviation}"


def _title(name: str) -> str:
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def differences(runs: Runs) -> Mapping[str, Mapping[str, str]]:
    """The settings in which the runs differ, by name and label."""
    return {
        name.replace("_", " "): {run.label: str(setting(run.record.settings, name)) for run in runs.runs}
        for name in runs.differing
    }
