"""The work of a model that is timed."""

import torch
from jaxtyping import Float
from torch import Tensor

from scq.models import PictureModel


def forward(model: PictureModel, pictures: Float[Tensor, "N 3 H W"]) -> None:
    """The forward pass of evaluation."""
    model.eval()
    with torch.no_grad():
        model(pictures)


def step(model: PictureModel, pictures: Float[Tensor, "N 3 H W"]) -> None:
    """Forward and backward of a training step. The optimiser's part is the same for every quantizer, and left out: the
    weights stay as they are."""
    model.train()
    output = model(pictures)
    (output.reconstruction.square().mean() + output.quantized.loss).backward()
    model.zero_grad(set_to_none=True)
