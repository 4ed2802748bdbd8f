"""For Lightning's trainer."""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl

from scq.callbacks.stepping import StepMonitor
from scq.monitor import LossOfQuantized
from scq.quantizers.checks import at_least_one


class LightningMonitor(pl.Callback):
    """A :class:`scq.Monitor` of the quantizers in a LightningModule: ``Trainer(callbacks=[LightningMonitor()])``.

    Its numbers go to all loggers of the trainer, at the step that Lightning itself logs at, whatever
    ``log_every_n_steps`` is. Other steps compute nothing more, and the hooks go with the end of the training, also
    where it ends by an error.

    Args:
        every: optimiser steps from one that is recorded to the next, the first among them; of a batch that is computed
            in parts, the first part is recorded.
        loss: as of :class:`scq.Monitor`, of the names in the LightningModule.
        gap: False leaves the gap between exact and relaxed out.

    Attributes:
        history: the numbers by name; of each, the values by the trainer's ``global_step``.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be; where training begins, as of
            :class:`scq.Monitor`.
    """

    def __init__(
        self,
        every: int = 100,
        *,
        loss: LossOfQuantized | Mapping[str, LossOfQuantized] | None = None,
        gap: bool = True,
    ) -> None:
        super().__init__()
        self._every, self._loss, self._gap = at_least_one("every", every), loss, gap
        self._monitor: StepMonitor | None = None
        self.history: dict[str, dict[int, float]] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._monitor = StepMonitor(pl_module, self._every, self._loss, self._gap, self.history)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._monitor is not None:
            self._monitor.begin(trainer.global_step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        numbers = self._monitor.end() if self._monitor is not None else {}
        if numbers:
            # That of Lightning's own callbacks. global_step is already the next one's.
            step = trainer.fit_loop.epoch_loop._batches_that_stepped
            for logger in trainer.loggers:
                logger.log_metrics(numbers, step=step)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._remove()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._remove()

    def _remove(self) -> None:
        if self._monitor is not None:
            self._monitor.remove()
            self._monitor = None
