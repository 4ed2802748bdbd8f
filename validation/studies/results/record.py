"""Everything that is in the folder of a study, complete or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scq.models import ModelInfo
from scq.models import registry as models
from scq.training.folder import METRICS
from scq.training.run import Run
from scq.validation.common.files import read_json
from scq.validation.studies.results.summary import Row, Summary, numbers, place_of, recovery, summarize

JSON = "study.json"


@dataclass(frozen=True)
class StressRun:
    """A run from a start with all codewords far from the data.

    Attributes:
        arm, size: whose, and K.
        steps, perplexity, active: of the log: hard perplexity and codewords used of the step's batch.
        ceiling: the largest perplexity that a batch can have.
        test: the metrics on held-out examples.
    """

    arm: str
    size: int
    steps: np.ndarray
    perplexity: np.ndarray
    active: np.ndarray
    ceiling: int
    test: Mapping[str, float | None]

    @property
    def recovered(self) -> int | None:
        """The step from which its codebook is no longer collapsed; None when that never comes."""
        return recovery(list(self.steps), list(self.perplexity), self.ceiling)


@dataclass(frozen=True)
class StudyRecord:
    """A study.

    Attributes:
        folder: where it is.
        plan: as its file has it.
        train: what all runs have in common.
        data: the data sets by name: description, numbers of pictures, pixels of a picture.
        environment: of the runs.
        planned: how many runs the study has when it is complete.
        rows: the runs so far.
    """

    folder: Path
    plan: Mapping[str, Any]
    train: Mapping[str, Any]
    data: Mapping[str, Mapping[str, Any]]
    environment: Mapping[str, Any]
    planned: int
    rows: Sequence[Row]

    def stage(self, name: str) -> list[Row]:
        return [row for row in self.rows if row["stage"] == name]

    @cached_property
    def summaries(self) -> list[Summary]:
        return summarize(self.stage("final"))

    @property
    def model(self) -> ModelInfo:
        """What is trained: the autoencoder of pictures, where the settings are of before there were others."""
        return models.get(self.train.get("model", "vqvae"))

    @property
    def datasets(self) -> list[str]:
        """By name, in the order of the plan."""
        return list(self.data)

    def arms(self, *quantizers: str) -> list[str]:
        """The arms with one of those quantizers, in the order of the plan."""
        return [name for name, settings in self.plan["arms"].items() if settings.get("quantizer", name) in quantizers]

    def plain(self, quantizer: str) -> str | None:
        """The arm that is that quantizer and sets nothing else that matters to its training."""
        for name in self.arms(quantizer):
            if not set(self.plan["arms"][name]) - {"quantizer", *_OF_THE_LOG}:
                return name
        return None

    def of(self, arm: str, data: str) -> list[Summary]:
        """All places of an arm on a data set."""
        return [summary for summary in self.summaries if (summary.arm, summary.data) == (arm, data)]

    def centre(self, arm: str, data: str) -> Summary | None:
        """An arm at the centre, when a run of it is done."""
        return next((summary for summary in self.of(arm, data) if not summary.varied and summary.seeds), None)

    def runs(self, summary: Summary) -> list[Row]:
        """The finished runs behind a summary."""
        place = (summary.arm, summary.data, summary.varied)
        return [row for row in self.stage("final") if place_of(row) == place and row["state"] == "done"]

    def by_seed(self, summary: Summary, name: str) -> dict[int, float]:
        """A number of a summary, by the seed."""
        values = {row["seed"]: numbers(row).get(name) for row in self.runs(summary)}
        return {seed: value for seed, value in values.items() if value is not None}

    def history(self, row: Row) -> list[dict[str, int | float]]:
        """The log of a run; empty where its folder is gone, as from a study.json that was passed on alone."""
        run = self.folder / row["run"]
        return Run(run).log() if (run / METRICS).is_file() else []

    @cached_property
    def stress(self) -> list[StressRun]:
        done = [row for row in self.stage("stress") if row["state"] == "done"]
        return [self._stress(row, history) for row in done if (history := self.history(row))]

    @property
    def missing(self) -> list[str]:
        """What is not there, a clause each."""
        failed = [f"{row['run']} failed: {row['error']}" for row in self.rows if row["state"] == "failed"]
        for row in self.rows:
            failed += [f"{row['run']} has no {name}: {error}" for name, error in row.get("unmeasured", {}).items()]
        done = [row["run"] for row in self.rows if row["state"] == "done"]
        failed += [f"the log of {run} is not there" for run in done if not (self.folder / run / METRICS).is_file()]
        rest = self.planned - len(self.rows)
        return failed + ([f"{rest} of {self.planned} runs are still to be made"] if rest else [])

    def _stress(self, row: Row, history: list[dict[str, int | float]]) -> StressRun:
        columns = [[line[name] for line in history] for name in ("step", *_USAGE)]
        latents = self.train["batch_size"] * self.data[row["data"]]["pixels"] // PIXELS_PER_LATENT
        ceiling = min(row["codebook_size"], latents)
        return StressRun(
            row["arm"],
            row["codebook_size"],
            *(np.array(column, dtype=float) for column in columns),
            ceiling,
            row["test"],
        )


PIXELS_PER_LATENT = 16
"""The autoencoder's two strides of 2."""

_OF_THE_LOG = ("gap", "dump_every")
"""Settings that change nothing in the training."""

_USAGE = ("quantizer/hard_perplexity", "quantizer/active_codes")


def is_study(folder: Path) -> bool:
    """Whether a study left its results there."""
    return (folder / JSON).is_file()


def read_study(folder: Path) -> StudyRecord:
    """Reads the folder of a study.

    Raises:
        ValueError: its study.json is not JSON.
    """
    content = read_json(folder / JSON)
    return StudyRecord(
        folder,
        content["plan"],
        content["train"],
        content["data"],
        content["environment"],
        content["planned"],
        content["rows"],
    )
