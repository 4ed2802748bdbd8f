"""A model of bare tensors with two losses that take turns: a critic learns to tell points from their reconstructions,
and a linear autoencoder to reconstruct so that it cannot."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from scq import data, models
from scq.data.dataset import Dataset
from scq.data.registry import DatasetInfo
from scq.models import Model, ModelInfo, Objective
from scq.quantizers import Quantizer


class Toy(Model):
    def __init__(self, quantizer: Quantizer, dim: int, width: int) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.encoder, self.decoder = nn.Linear(3, dim), nn.Linear(dim, 3)
        self.critic = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 1))
        self.started = 0

    def start(self, batch: Tensor, **settings: Any) -> None:
        self.started += 1

    def optimizers(self, learning_rate: float) -> Mapping[str, torch.optim.Optimizer]:
        own = [*self.encoder.parameters(), *self.quantizer.parameters(), *self.decoder.parameters()]
        return {
            "loss": torch.optim.Adam(own, lr=learning_rate),
            "critic_loss": torch.optim.SGD(self.critic.parameters(), lr=learning_rate, momentum=0.5),
        }

    def encode(self, batch: Tensor) -> Tensor:
        return self.encoder(batch)

    def loss(self, quantized: Tensor, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        made = self.decoder(quantized)
        error = mse_loss(made, batch)
        return error + 0.1 * softplus(-self.critic(made)).mean(), {"error": error.detach()}

    def objective(self, batch: Tensor, name: str, made: Tensor | None = None) -> Objective:
        if name == "loss":
            return super().objective(batch, name)
        with torch.no_grad():
            made = self.decoder(self.encoder(batch))
        return Objective((softplus(-self.critic(batch)) + softplus(self.critic(made))).mean(), {})

    @torch.no_grad()
    def evaluate(self, examples: Tensor) -> dict[str, float]:
        return {"error": float(mse_loss(self.samples(examples), examples))}

    @torch.no_grad()
    def samples(self, examples: Tensor) -> Tensor:
        return self.decoder(self.quantizer(self.encoder(examples)).quantized)


def read(root: None) -> Dataset:
    """Points near the corners of a triangle."""
    generator = torch.Generator().manual_seed(0)
    points = torch.eye(3)[torch.randint(3, (60,), generator=generator)] + 0.1 * torch.randn(60, 3, generator=generator)
    return Dataset("points", points[:48], points[48:], "drawn")


INFO = ModelInfo("toy", "a toy", "toy_model:Toy", kind="tensors", settings=("width",))
POINTS = DatasetInfo("points", "points", "toy_model:read", "", packaged=True, kind="tensors")


@contextmanager
def registered() -> Iterator[None]:
    """The model and its data by their names."""
    models.register(INFO)
    data.register(POINTS)
    try:
        yield
    finally:
        models.unregister(INFO.name)
        data.unregister(POINTS.name)
