"""One optimiser step on one batch, in as many parts and processes as it takes."""

from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn

from scq.diagnostics import gap_of
from scq.models.base import Model, Objective
from scq.quantizers import registry
from scq.quantizers.calls import Call, recorded
from scq.solvers.deferred import of_step, settle
from scq.training.config import TrainConfig
from scq.training.dumps import dump
from scq.training.pooled import PooledNumbers
from scq.training.run import Run


class _Objectives(nn.Module):
    """The losses of a model as a forward pass, which is what accelerate knows how to wrap; the model stays as it is."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor, name: str, *made: Tensor) -> Objective:
        return self.model.objective(batch, name, *made)


class Step:
    """Forward, backward and update, for each of the model's losses in turn.

    Args:
        accelerator: for backward and the exchange of gradients.
        model: on the device.
        optimizers: the model's, by the names of their losses.
        device: of this process.
        run: whose problems are dumped.

    Attributes:
        aside: seconds that the last call spent on looking at the training, and not on training.
    """

    aside = 0.0

    def __init__(
        self,
        config: TrainConfig,
        accelerator: Accelerator,
        model: Model,
        optimizers: Mapping[str, torch.optim.Optimizer],
        device: torch.device,
        run: Run,
    ) -> None:
        self._config, self._accelerator, self._device, self._run = config, accelerator, device, run
        self._model = model
        if len(optimizers) > 1:  # no loss needs all parameters
            accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._wrapped = accelerator.prepare_model(_Objectives(model))
        self._optimizers = {name: accelerator.prepare_optimizer(one) for name, one in optimizers.items()}
        self._convex = registry.get(config.quantizer).convex

    def __call__(self, batch: Tensor, step: int, logged: bool) -> dict[str, float]:
        """Trains on a batch.

        Args:
            batch: this process's part of it.
            step: its number, from 1.
            logged: whether numbers are wanted.

        Returns:
            The numbers of the log, of the whole batch, the same in all processes; empty when they are not wanted.

        Raises:
            ValueError: of a soft convex quantizer, a codebook that is not finite. Nobody waits for the device, so that
                it may be that of an earlier step, which is named.
        """
        parts = batch.to(self._device, non_blocking=True).chunk(self._config.accumulate)
        numbers, self.aside = {}, 0.0
        made: dict[int, Tensor] = {}
        self._model.quantizer.diagnose = logged
        self._model.before_step(step, self._config.steps)
        with of_step(step):
            for name in self._optimizers:
                numbers |= self._descend(name, parts, step, logged, made)
        self._model.after_step(step)
        if logged:
            # Numbers have been read: no check is left open that would have to be waited for.
            settle(parts[0].device, wait=True)
        if logged and self._accelerator.scaler is not None:
            numbers["train/loss_scale"] = self._accelerator.scaler.get_scale()
        return numbers

    def _descend(
        self, name: str, parts: tuple[Tensor, ...], step: int, logged: bool, made: dict[int, Tensor]
    ) -> dict[str, float]:
        """The update of one optimiser, with what the one before it has made of each part; it adds what it makes."""
        pooled = PooledNumbers(self._model.quantizer)
        optimizer, norm, seconds, measured = self._optimizers[name], None, 0.0, False
        for number, part in enumerate(parts):
            with self._accelerator.accumulate(self._wrapped):
                with recorded(self._model.quantizer) as calls:
                    output = self._wrapped(part, name, *((made[number],) if number in made else ()))
                self._accelerator.backward(output.loss)
                if output.made is not None:
                    made[number] = output.made
                if number == 0 and output.quantized is not None:
                    self.aside += self._dump(step, calls)
                if logged:
                    # Before the update: the gap belongs to the codebook that quantized this batch.
                    measured = self._convex and self._config.gap and output.quantized is not None
                    gap = gap_of(self._model, part, self._config, output=output, calls=calls) if measured else {}
                    seconds += gap.pop("seconds", 0.0)
                    pooled.add(name, output, {f"gap/{key}": value for key, value in gap.items()})
                # Of all but the last part, accelerate makes the next three do nothing.
                if self._config.clip_norm is not None and self._accelerator.sync_gradients:
                    mine = [parameter for group in optimizer.param_groups for parameter in group["params"]]
                    norm = self._accelerator.clip_grad_norm_(mine, self._config.clip_norm)
                optimizer.step()
                # All of them: a loss may reach parameters that are not its own.
                for one in self._optimizers.values():
                    one.zero_grad()
        self.aside += seconds
        if not logged:
            return {}
        numbers = pooled.compute()
        if norm is not None:
            numbers[f"train/{name.removesuffix('loss')}gradient_norm"] = float(norm)
        return numbers | ({"time/gap": seconds} if measured else {})

    def _dump(self, step: int, calls: Sequence[Call]) -> float:
        """Writes the problems of the first part of the first process, when it is time. Returns the seconds it took."""
        every = self._config.dump_every
        if not self._convex or not every or step % every or not self._accelerator.is_main_process:
            return 0.0
        # Before the update, and with the lam of this batch: a schedule has gone on.
        with self._run.writing(step):
            return sum(dump(self._run.folder, step, call) for call in calls if not call.empty)
