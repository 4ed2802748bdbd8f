"""Everything that is in the folder of a study, complete or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scq.training.folder import read_metrics
from validation.files import read_json
from validation.studies.summary import Row, Summary, recovery, summarize

JSON = "study.json"


@dataclass(frozen=True)
class StressRun:
    """A run from a start with all codewords far from the data.

    Attributes:
        arm, size: whose, and K.
        steps, perplexity, active: of the log: hard perplexity and codewords used of the step's batch.
        ceiling: the largest perplexity that a batch can have.
        test: the metrics on held-out pictures.
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

    @cached_property
    def stress(self) -> list[StressRun]:
        return [self._stress(row) for row in self.stage("stress") if row["state"] == "done"]

    @property
    def missing(self) -> list[str]:
        """What is not there, a clause each."""
        failed = [f"{row['run']} failed: {row['error']}" for row in self.rows if row["state"] == "failed"]
        for row in self.rows:
            failed += [f"{row['run']} has no {name}: {error}" for name, error in row.get("unmeasured", {}).items()]
        rest = self.planned - len(self.rows)
        return failed + ([f"{rest} of {self.planned} runs are still to be made"] if rest else [])

    def _stress(self, row: Row) -> StressRun:
        history = read_metrics(self.folder / row["run"])
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
