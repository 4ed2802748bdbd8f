"""What the folder of a training run says, finished or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scq.training.folder import CONFIG, METRICS, TEST
from scq.training.run import Run
from scq.validation.common.files import read_json


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
        settings: its configuration.
        history: its log.
        test: the metrics on held-out pictures; empty when the run did not finish.
    """

    settings: Mapping[str, Any]
    history: list[dict[str, float | int]]
    test: Mapping[str, float | None]

    def series(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of one number of the log, where it is there and finite."""
        lines = [(line["step"], line[name]) for line in self.history if name in line]
        points = np.array(lines, dtype=float).reshape(-1, 2)
        points = points[np.isfinite(points).all(1)]
        return points[:, 0], points[:, 1]


def read_run(folder: Path) -> RunRecord:
    """Reads the folder of a run.

    Raises:
        ValueError: a file in it is not what a run writes.
    """
    history = Run(folder).log() if (folder / METRICS).is_file() else []
    test = read_json(folder / TEST) if (folder / TEST).is_file() else {}
    return RunRecord(read_json(folder / CONFIG), history, test)
