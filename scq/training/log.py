"""The log of a run: the same numbers as lines of JSON, for TensorBoard, and in memory."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from scq.training.folder import METRICS, TENSORBOARD


class MetricLog:
    """Writes each line to disk at once, so that a killed run loses nothing.

    Attributes:
        history: what was logged, one dict a line, each with its "step".
    """

    def __init__(self, folder: Path) -> None:
        self.history: list[dict[str, int | float]] = []
        self._start = time.perf_counter()
        # Line buffered: every line reaches the file when it ends.
        self._lines = (folder / METRICS).open("a", buffering=1)
        self._writer = SummaryWriter(str(folder / TENSORBOARD))

    def write(self, step: int, numbers: Mapping[str, int | float]) -> None:
        """Logs numbers under flat names with slashes, e.g. "train/loss"."""
        line = {"step": step, **numbers, "time/elapsed": time.perf_counter() - self._start}
        self.history.append(line)
        self._lines.write(json.dumps(line) + "\n")
        for name, value in line.items():
            if name != "step":
                self._writer.add_scalar(name, value, step)

    def __enter__(self) -> "MetricLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._writer.close()
