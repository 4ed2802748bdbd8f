"""Softmax of the distances."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import embedding

from scq.quantizers.assignments.assignment import Assigned, Assignment
from scq.quantizers.checks import positive
from scq.solvers.weights import Weights


class Softmax(Assignment):
    """p = softmax(-||z - c_k||^2 / t), k = argmax p, in training and at test alike.

    Args:
        temperature: t, > 0.

    Source: smoothed vector quantization as in arXiv 2509.22161, with the logits of a Gaussian mixture.
    """

    name: ClassVar[str] = "softmax"
    soft: ClassVar[bool] = True
    logarithms: ClassVar[bool] = True

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = positive("temperature", temperature)

    def forward(
        self, latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"], valid: Bool[Tensor, " N"] | None = None
    ) -> Assigned:
        return mixture(closeness(latents, codebook) / self.temperature, codebook)

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}"


def closeness(latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"]) -> Float[Tensor, "N K"]:
    """-||z - c||^2 + ||z - m||^2 with m the codebook's mean: the second term is the same for all codewords."""
    # Around the mean, as the nearest codeword is searched for: there the squares lose the fewest digits.
    mean = codebook.detach().mean(0)
    z, c = latents - mean, codebook - mean
    return torch.addmm(-c.square().sum(1), z, c.T, alpha=2)


def mixture(logits: Float[Tensor, "N K"], codebook: Float[Tensor, "K F"]) -> Assigned:
    """The weights of these logits and what follows from them."""
    log_weights = logits.log_softmax(1)
    weights = log_weights.exp()
    indices: Int[Tensor, " N"] = weights.detach().argmax(1)
    return Assigned(indices, embedding(indices, codebook), weights @ codebook, Weights.dense_of(weights), log_weights)
