"""The log of a run: the same numbers as lines of JSON, for trackers, and in memory."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from accelerate.tracking import GeneralTracker

from scq.training.folder import METRICS
from scq.training.run import Run


class MetricLog:
    """Writes each line to disk at once, so that a killed run loses nothing.

    Args:
        folder: of the run; lines that its log has already stay.
        trackers: started; they get every number too, and are finished at the end.
        elapsed: seconds that the run has taken before now.

    Attributes:
        history: what was logged, one dict a line, each with its "step".
    """

    def __init__(self, folder: Path, trackers: Iterable[GeneralTracker] = (), elapsed: float = 0.0) -> None:
        self._start = time.perf_counter() - elapsed
        # Line buffered: every line reaches the file when it ends.
        self._lines = (folder / METRICS).open("a", buffering=1)
        self._trackers = list(trackers)
        self.history = Run(folder).log()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, in all processes that it has had."""
        return time.perf_counter() - self._start

    def write(self, step: int, numbers: Mapping[str, int | float]) -> None:
        """Logs numbers under flat names with slashes, e.g. "train/loss"."""
        line = {"step": step, **numbers, "time/elapsed": self.elapsed}
        self._lines.write(json.dumps(line) + "\n")
        self.history.append(line)
        for tracker in self._trackers:
            tracker.log({name: value for name, value in line.items() if name != "step"}, step=step)

    def sync(self) -> None:
        """Brings the lines to the disk, where a power cut leaves them."""
        os.fsync(self._lines.fileno())

    def __enter__(self) -> "MetricLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with ExitStack() as last:
                for tracker in self._trackers:
                    last.callback(tracker.finish)
                last.callback(self._lines.close)
        except OSError:
            # The disk that could not take the last line does not take the rest of it either: what was raised first
            # says at which step.
            if not isinstance(error, OSError):
                raise
