"""The work of a model that is timed."""

import torch
from torch import Tensor

from scq.models.base import Model


def forward(model: Model, batch: Tensor) -> None:
    """The forward pass of evaluation."""
    model.eval()
    with torch.no_grad():
        model(batch)


def step(model: Model, batch: Tensor) -> None:
    """Forward and backward of a training step, of the quantizer's loss where there are several. The optimiser's part is
    the same for every quantizer, and left out: the weights stay as they are."""
    model.train()
    model.objective(batch, "loss").loss.backward()
    model.zero_grad(set_to_none=True)
