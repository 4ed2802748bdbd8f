"""A monitor that is told when a step begins, and which are recorded."""

from collections.abc import Mapping

from torch import nn

from scq.monitor import LossOfQuantized, Monitor


class StepMonitor(Monitor):
    """Records the first pass of each quantizer in an optimiser step, every so many steps, by the number of the step.

    Args:
        model, loss, gap: as of :class:`scq.Monitor`.
        every: steps from one that is recorded to the next.
        history: goes on with it.
    """

    def __init__(
        self,
        model: nn.Module,
        every: int,
        loss: LossOfQuantized | Mapping[str, LossOfQuantized] | None,
        gap: bool,
        history: dict[str, dict[int, float]],
    ) -> None:
        super().__init__(model, every, loss=loss, callback=self._keep, gap=gap)
        self.history = history
        self._step: int | None = None
        self._last: int | None = None
        self._found: dict[str, float] = {}
        self._seen: set[str] = set()

    def begin(self, step: int) -> None:
        """A step begins, or goes on with another part of its batch.

        Args:
            step: its number. Trainers with several optimisers count more than one a batch.
        """
        if step == self._step:
            return
        self._seen.clear()
        due = self._last is None or step // self._every != self._last // self._every
        self._step, self._last = (step, step) if due else (None, self._last)

    def end(self) -> dict[str, float]:
        """The numbers that were recorded since, by name."""
        found, self._found = self._found, {}
        return found

    def _due(self, name: str) -> bool:
        if self._step is None or name in self._seen:
            return False
        self._seen.add(name)
        return True

    def _number(self, name: str) -> int:
        assert self._step is not None
        return self._step

    def _keep(self, step: int, numbers: dict[str, float]) -> None:
        self._found |= numbers
