"""Everything that is in the folder of paired runs. What is missing is named; it is no error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scq.training.config import CommonConfig
from scq.training.folder import CONFIG, ENVIRONMENT
from scq.validation.common.files import read_json, written_by_us
from scq.validation.common.metrics import codes, completed
from scq.validation.common.run_record import RunRecord, read_run
from scq.validation.comparison.comparing import JSON as COMPARISON
from scq.validation.comparison.comparing import ROUNDS
from scq.validation.comparison.rows import Row, read_rows
from scq.validation.paired.gap_map import GapMap, load_gap_map
from scq.validation.paired.held_out import PICTURES, load_pictures
from scq.validation.paired.methods import METHODS
from scq.validation.paired.speeds import Speeds, read_speeds

RESULTS = "results.json"


@dataclass(frozen=True)
class Record:
    """A folder of paired runs.

    Attributes:
        folder: where it is.
        evaluated: whether the paired runs came to their end and were evaluated together.
        runs: by name of the method, in the order in which methods are shown.
        errors: what stopped the methods that failed.
        swap: the pairs of the swap test.
        speeds: of the trained models, in turns; None of a folder from before that was measured.
        data: the data set's name, description and number of test pictures.
        environment: of the runs.
        rows: of the comparison of backends.
        comparison: its settings, environment and seconds, and how many rows it has when it is complete.
        pictures: originals and reconstructions, (n, height, width, 3) uint8 by name.
        gap_maps: where the gap lives, by the method that was trained.
    """

    folder: Path
    evaluated: bool
    runs: dict[str, RunRecord]
    errors: dict[str, str] = field(default_factory=dict)
    swap: list[dict[str, Any]] = field(default_factory=list)
    speeds: Speeds | None = None
    data: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    comparison: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    gap_maps: dict[str, GapMap] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """What the runs were told: a setting that one has no use for is at its default there, and is another's here."""
        merged: dict[str, Any] = {}
        for run in self.runs.values():
            mine = {name: value for name, value in merged.items() if value != getattr(CommonConfig, name, None)}
            merged = {**run.settings, **mine}
        return merged

    @property
    def soft(self) -> dict[str, RunRecord]:
        """The runs of soft convex quantization, which have a gap and residuals."""
        return {name: run for name, run in self.runs.items() if METHODS[name].convex}

    @property
    def tests(self) -> dict[str, Mapping[str, float | None]]:
        """The test metrics of the finished runs, and those that follow from them."""
        return {name: completed(run.test, codes(run.settings)) for name, run in self.runs.items() if run.test}

    @property
    def missing(self) -> list[str]:
        """What is not there, a clause each. A comparison alone misses no trainings."""
        planned = self.comparison.get("planned", len(self.rows))
        rest = planned - len(self.rows)
        missing = [f"{rest} of {planned} measurements of backends are still to be made"] if rest else []
        once = sum(row.rounds is not None and row.rounds < ROUNDS and bool(row.forwards) for row in self.rows)
        if once:
            missing.append(f"the times of {once} of {planned} measurements of backends are of one round")
        if not self.runs and not self.errors:
            return missing
        for name, method in METHODS.items():
            if name in self.errors:
                missing.append(f"{method.title} failed: {self.errors[name]}")
            elif name not in self.runs:
                missing.append(f"{method.title} was not trained")
            elif not self.runs[name].test:
                history = self.runs[name].history
                step = history[-1]["step"] if history else 0
                missing.append(f"{method.title} did not finish; its log ends at step {step}")
        if not self.evaluated:
            missing.append("the runs were not evaluated together, so there is no swap test")
        elif self.speeds is None:
            missing.append("the trained models were not timed in turns, so no speeds are shown")
        if not self.pictures:
            missing.append("there are no reconstructions of held-out pictures")
        for name, run in self.soft.items():
            if run.test and name not in self.gap_maps:
                missing.append(f"there is no map of the gap of {METHODS[name].title}")
        if not self.rows:
            missing.append("no comparison of backends was made")
        return missing


def read_record(folder: Path) -> Record:
    """Reads the folder of paired runs or of a demonstration, complete or not; or of one comparison.

    Raises:
        ValueError: there is no such folder, or nothing in it that could be reported.
    """
    if not folder.is_dir():
        raise ValueError(f"folder is '{folder}', must be the folder of paired runs (it does not exist)")
    with written_by_us(folder):
        return _read(folder)


def _read(folder: Path) -> Record:
    runs = {name: read_run(folder / name) for name in METHODS if (folder / name / CONFIG).is_file()}
    results = read_json(folder / RESULTS) if (folder / RESULTS).is_file() else {}
    comparison = next((read_json(path) for path in _comparisons(folder)), {})
    if not runs and not comparison:
        raise ValueError(
            f"folder is '{folder}', must be the folder of paired runs, a study, a comparison or a run; it holds none"
        )
    number = codes(next(iter(runs.values())).settings) if runs else 1
    environment = results.get("environment") or _environment(folder, runs) or comparison.get("environment", {})
    return Record(
        folder=folder,
        evaluated=bool(results),
        runs=runs,
        errors={name: m["error"] for name, m in results.get("methods", {}).items() if m["state"] == "failed"},
        swap=[pair | {"test": completed(pair["test"], number)} for pair in results.get("swap", [])],
        speeds=read_speeds(results.get("speeds", {})),
        data=results.get("data", {}),
        environment=environment,
        rows=read_rows(comparison),
        comparison={name: value for name, value in comparison.items() if name != "rows"},
        pictures=_pictures(folder),
        gap_maps={name: gap_map for name in runs if (gap_map := load_gap_map(folder / name)) is not None},
    )


def _environment(folder: Path, runs: Mapping[str, RunRecord]) -> dict[str, Any]:
    paths = (folder / name / ENVIRONMENT for name in runs)
    return next((read_json(path) for path in paths if path.is_file()), {})


def _comparisons(folder: Path) -> list[Path]:
    """The newest first."""
    comparisons = [*folder.glob(COMPARISON), *folder.glob(f"compare*/{COMPARISON}")]
    return sorted(comparisons, key=lambda path: path.stat().st_mtime, reverse=True)


def _pictures(folder: Path) -> dict[str, np.ndarray]:
    if not (folder / PICTURES).is_file():
        return {}
    return {name: x.permute(0, 2, 3, 1).numpy() for name, x in load_pictures(folder).items()}
