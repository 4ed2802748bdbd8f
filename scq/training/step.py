"""One optimiser step on one batch, in as many parts and processes as it takes."""

from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import mse_loss

from scq.autoencoder import Autoencoder, AutoencoderOutput
from scq.diagnostics import gap_of
from scq.quantizers import processes, registry
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.training.config import TrainConfig
from scq.training.dumps import dump
from scq.training.pooled import PooledNumbers
from scq.training.resuming import writing


class Step:
    """Forward, backward and update.

    Args:
        accelerator: for backward and the exchange of gradients.
        wrapped: the model as the accelerator made it.
        model: the same without that.
        optimizer: as the accelerator made it.
        variance: of the data.
        device: of this process.
        folder: of the run.

    Attributes:
        aside: seconds that the last call spent on looking at the training, and not on training.
    """

    aside = 0.0

    def __init__(
        self,
        config: TrainConfig,
        accelerator: Accelerator,
        model: Autoencoder,
        optimizer: torch.optim.Optimizer,
        variance: float,
        device: torch.device,
        folder: Path,
    ) -> None:
        self._config, self._accelerator, self._device, self._folder = config, accelerator, device, folder
        self._model, self._variance = model, variance
        self._wrapped = accelerator.prepare_model(model)
        self._optimizer = accelerator.prepare_optimizer(optimizer)
        self._gap = config.gap and registry.get(config.quantizer).convex

    def __call__(self, batch: Tensor, step: int, logged: bool) -> dict[str, float]:
        """Trains on this process's part of the batch.

        Args:
            batch: the pictures of all processes, the same in all of them.
            step: its number, from 1.
            logged: whether numbers are wanted.

        Returns:
            The numbers of the log, of the whole batch, the same in all processes; empty when they are not wanted.
        """
        rank, world = processes.number()
        pictures = batch.chunk(world)[rank].to(self._device)
        pooled = PooledNumbers(getattr(self._model.quantizer, "codebook_size", None))
        norm, seconds, self.aside = None, 0.0, 0.0
        self._model.quantizer.diagnose = logged
        for number, part in enumerate(pictures.chunk(self._config.accumulate)):
            with self._accelerator.accumulate(self._wrapped):
                output = self._wrapped(part)
                mse = mse_loss(output.reconstruction, part)
                loss = mse / self._variance + output.quantized.loss
                self._accelerator.backward(loss)
                if number == 0:
                    self.aside += self._dump(step, output)
                if logged:
                    # Before the update: the gap belongs to the codebook that quantized this batch.
                    gap = gap_of(self._model, part, self._config, self._variance, output=output) if self._gap else {}
                    seconds += gap.pop("seconds", 0.0)
                    pooled.add(loss, mse, output.quantized, {f"gap/{name}": value for name, value in gap.items()})
                # Of all but the last part, accelerate makes the next three do nothing.
                if self._config.clip_norm is not None and self._accelerator.sync_gradients:
                    norm = self._accelerator.clip_grad_norm_(self._model.parameters(), self._config.clip_norm)
                self._optimizer.step()
                self._optimizer.zero_grad()
        self.aside += seconds
        if not logged:
            return {}
        numbers = pooled.compute()
        if norm is not None:
            numbers["train/gradient_norm"] = float(norm)
        if self._accelerator.scaler is not None:
            numbers["train/loss_scale"] = self._accelerator.scaler.get_scale()
        return numbers | ({"time/gap": seconds} if self._gap else {})

    def _dump(self, step: int, output: AutoencoderOutput) -> float:
        """Writes the problem of the first part of the first process, when it is time. Returns the seconds it took."""
        every, quantizer = self._config.dump_every, self._model.quantizer
        due = every > 0 and step % every == 0 and self._accelerator.is_main_process
        if not due or not isinstance(quantizer, SoftConvexQuantizer):
            return 0.0
        # Before the update, and with the lam of this batch: a schedule has gone on.
        with writing(self._folder, step):
            return dump(self._folder, step, quantizer, output.latents, float(output.quantized.info["lam"]))
