"""Runs that are shown on one page: what each is called there, and which differ in their seed alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scq.training.config import CommonConfig
from scq.training.folder import CONFIG, ENVIRONMENT
from scq.validation.common.files import read_json, written_by_us
from scq.validation.common.metrics import codes, completed
from scq.validation.common.run_record import RunRecord, read_run

_OF_THE_PLACE = ("out", "name", "data_root", "device", "trackers", "samples_every", "checkpoint_every", "log_every")
"""Settings that change no number that is compared."""

_LONGEST = 44
"""Letters of a name that still fit beside a figure."""


@dataclass(frozen=True)
class OneRun:
    """A run on the page.

    Attributes:
        folder: where it is.
        label: what it is called there, alone: what sets it apart from the others.
        group: the same without its seed.
        record: what its folder says.
    """

    folder: Path
    label: str
    group: str
    record: RunRecord

    @property
    def test(self) -> dict[str, float | None]:
        """Its test metrics, and those that follow from them; empty of a run that did not finish."""
        return completed(self.record.test, codes(self.record.settings))


@dataclass(frozen=True)
class Runs:
    """Some runs, one at least, in the order in which they were named.

    Attributes:
        runs: each.
        differing: the settings that are not the same in all, the seed apart, by name.
        environment: of the first run that has it.
    """

    runs: Sequence[OneRun]
    differing: Sequence[str]
    environment: Mapping[str, Any]

    @property
    def tested(self) -> list[OneRun]:
        """Those that have finished."""
        return [run for run in self.runs if run.record.test]

    @property
    def groups(self) -> dict[str, list[OneRun]]:
        """The finished runs that differ in their seed alone, by what they are called."""
        found: dict[str, list[OneRun]] = {}
        for run in self.tested:
            found.setdefault(run.group, []).append(run)
        return found

    @property
    def missing(self) -> list[str]:
        """The runs that have not finished, a clause each."""
        clauses = []
        for run in self.runs:
            if not run.record.test:
                history = run.record.history
                step = history[-1]["step"] if history else 0
                clauses.append(
                    f"{run.label} has not finished: its log ends at step {step:,} of {run.record.settings['steps']:,}"
                )
        return clauses


def is_run(folder: Path) -> bool:
    """Whether it is the folder of one training run."""
    return (folder / CONFIG).is_file()


def read_runs(folders: Sequence[Path]) -> Runs:
    """Reads the folders of runs, finished or not.

    Raises:
        ValueError: one is named twice, is no run's, or holds what no run writes.
    """
    for number, folder in enumerate(folders):
        if not is_run(folder):
            raise ValueError(f"folder is '{folder}', must be the folder of a run (it has no {CONFIG})")
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise ValueError(f"folder has '{folder}' twice, must name each run once")
    records = []
    for folder in folders:
        with written_by_us(folder):
            records.append(read_run(folder))
            records[-1].settings["seed"], records[-1].settings["steps"]  # what every version wrote
    differing = _differing([record.settings for record in records])
    groups = [_called(record.settings, differing, folder) for record, folder in zip(records, folders, strict=True)]
    labels = [
        f"{group}, seed {record.settings['seed']}" if groups.count(group) > 1 else group
        for group, record in zip(groups, records, strict=True)
    ]
    labels = [
        f"{label} ({folder.name})" if labels.count(label) > 1 else label
        for label, folder in zip(labels, folders, strict=True)
    ]
    where = (folder / ENVIRONMENT for folder in folders)
    environment = next((read_json(path) for path in where if path.is_file()), {})
    return Runs(
        [OneRun(*parts) for parts in zip(folders, labels, groups, records, strict=True)], differing, environment
    )


def setting(settings: Mapping[str, Any], name: str) -> Any:
    """A setting of a run; of one of an earlier version, which did not have it, what it did."""
    return settings.get(name, getattr(CommonConfig, name, None))


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for one in settings for name in one)
    return [
        name
        for name in names
        if name not in (*_OF_THE_PLACE, "seed")
        and any(setting(one, name) != setting(settings[0], name) for one in settings)
    ]


def _called(settings: Mapping[str, Any], differing: Sequence[str], folder: Path) -> str:
    """By what sets it apart, as "vq" or "scq, lam 0.1"; where that is too much, by the name of its folder."""
    parts = [str(setting(settings, "quantizer"))]
    parts += [f"{name.replace('_', ' ')} {setting(settings, name)}" for name in differing if name != "quantizer"]
    called = ", ".join(parts)
    return called if len(called) <= _LONGEST else folder.name
