"""One optimiser step on one batch, in as many parts and processes as it takes."""

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import mse_loss

from scq.autoencoder import Autoencoder
from scq.diagnostics import measure_gap
from scq.quantizers import processes, registry
from scq.quantizers.base import CodebookQuantizer
from scq.quantizers.layout import from_rows, to_rows
from scq.training.config import TrainConfig
from scq.training.pooled import PooledNumbers


class Step:
    """Forward, backward and update.

    Args:
        accelerator: for backward and the exchange of gradients.
        wrapped: the model as the accelerator made it.
        model: the same without that.
        optimizer: as the accelerator made it.
        variance: of the data.
        device: of this process.
    """

    def __init__(
        self,
        config: TrainConfig,
        accelerator: Accelerator,
        model: Autoencoder,
        optimizer: torch.optim.Optimizer,
        variance: float,
        device: torch.device,
    ) -> None:
        self._config, self._accelerator, self._device = config, accelerator, device
        self._model, self._variance = model, variance
        self._wrapped = accelerator.prepare_model(model)
        self._optimizer = accelerator.prepare_optimizer(optimizer)
        self._gap = config.gap and registry.get(config.quantizer).convex

    def __call__(self, batch: Tensor, logged: bool) -> dict[str, float]:
        """Trains on this process's part of the batch.

        Args:
            batch: the pictures of all processes, the same in all of them.
            logged: whether numbers are wanted.

        Returns:
            The numbers of the log, of the whole batch, the same in all processes; empty when they are not wanted.
        """
        rank, world = processes.number()
        pictures = batch.chunk(world)[rank].to(self._device)
        pooled, norm, seconds = PooledNumbers(getattr(self._model.quantizer, "codebook_size", None)), None, 0.0
        self._model.quantizer.diagnose = logged
        for part in pictures.chunk(self._config.accumulate):
            with self._accelerator.accumulate(self._wrapped):
                output = self._wrapped(part)
                mse = mse_loss(output.reconstruction, part)
                loss = mse / self._variance + output.quantized.loss
                self._accelerator.backward(loss)
                if logged:
                    # Before the update: the gap belongs to the codebook that quantized this batch.
                    gap = self._measure_gap(part, output.latents) if self._gap else {}
                    seconds += gap.pop("seconds", 0.0)
                    pooled.add(loss, mse, output.quantized, {f"gap/{name}": value for name, value in gap.items()})
                # Of all but the last part, accelerate makes the next three do nothing.
                if self._config.clip_norm is not None and self._accelerator.sync_gradients:
                    norm = self._accelerator.clip_grad_norm_(self._model.parameters(), self._config.clip_norm)
                self._optimizer.step()
                self._optimizer.zero_grad()
        if not logged:
            return {}
        numbers = pooled.compute()
        if norm is not None:
            numbers["train/gradient_norm"] = float(norm)
        if self._accelerator.scaler is not None:
            numbers["train/loss_scale"] = self._accelerator.scaler.get_scale()
        return numbers | ({"time/gap": seconds} if self._gap else {})

    def _measure_gap(self, pictures: Tensor, latents: Tensor) -> dict[str, float]:
        """The gap on these pictures, through this step's decoder."""
        config, quantizer = self._config, self._model.quantizer
        assert isinstance(quantizer, CodebookQuantizer)  # every convex entry of the registry is one
        return measure_gap(
            to_rows(latents, config.dim, quantizer.channel_dim),
            quantizer.codebook,
            config.lam,
            decode=lambda rows: self._model.decode(from_rows(rows, latents, quantizer.channel_dim)),
            target=pictures,
            variance=self._variance,
            quantization_weight=config.quantization_weight,
            backend=config.backend,
            steps=config.relaxation_steps,
        )
