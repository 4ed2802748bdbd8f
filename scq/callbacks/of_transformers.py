"""For the trainer of Hugging Face."""

from collections.abc import Mapping
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from scq.callbacks.stepping import StepMonitor
from scq.monitor import LossOfQuantized
from scq.quantizers.checks import at_least_one


class TrainerMonitor(TrainerCallback):
    """A :class:`scq.Monitor` of the quantizers in the model of a Hugging Face Trainer:
    ``trainer.add_callback(TrainerMonitor(trainer))``.

    Its numbers go where the trainer's go, by ``trainer.log``: into ``trainer.state.log_history`` and to what
    ``report_to`` names. Other steps compute nothing more. The hooks go with the end of the training; where it ends by
    an error, with :meth:`remove`, or when it is begun again.

    Args:
        trainer: that it is added to.
        every: optimiser steps from one that is recorded to the next, the first among them; of a batch that is computed
            in parts, the first part is recorded.
        loss: as of :class:`scq.Monitor`.
        gap: False leaves the gap between exact and relaxed out.

    Attributes:
        history: the numbers by name; of each, the values by the ``global_step`` that the step began at.

    Several GPUs are for ``torchrun``: in one process the trainer has copies of the model, which are not recorded.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be; where training begins, as of
            :class:`scq.Monitor`.
    """

    def __init__(
        self,
        trainer: Trainer,
        every: int = 100,
        *,
        loss: LossOfQuantized | Mapping[str, LossOfQuantized] | None = None,
        gap: bool = True,
    ) -> None:
        if not isinstance(trainer, Trainer):
            raise TypeError(f"trainer is a {type(trainer).__name__}, must be the transformers.Trainer it is added to")
        self._trainer, self._every, self._loss, self._gap = trainer, at_least_one("every", every), loss, gap
        self._monitor: StepMonitor | None = None
        self.history: dict[str, dict[int, float]] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.remove()
        self._monitor = StepMonitor(kwargs["model"], self._every, self._loss, self._gap, self.history)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._monitor is not None:
            self._monitor.begin(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        numbers = self._monitor.end() if self._monitor is not None else {}
        if numbers:
            self._trainer.log(numbers)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Takes the hooks off the model. The history stays."""
        if self._monitor is not None:
            self._monitor.remove()
            self._monitor = None
