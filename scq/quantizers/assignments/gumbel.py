"""Gumbel-softmax: a random codeword, relaxed."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding

from scq.quantizers.assignments.assignment import Assigned, Assignment
from scq.quantizers.assignments.softmax import closeness, mixture
from scq.quantizers.checks import at_least_one, positive
from solvers.nearest import nearest_codeword


class Gumbel(Assignment):
    r"""In training p = softmax((-||z - c_k||^2 + g_k) / t), g_k Gumbel(0, 1) noise, k = argmax p; otherwise the nearest
    codeword, hard and without weights.

    The temperature falls geometrically with the training steps s that this layer has seen and then stays:
    t = start (end / start)^min(s / anneal_steps, 1).

    Args:
        start: the first temperature, > 0.
        end: the last temperature, > 0.
        anneal_steps: training steps from one to the other, >= 1.

    Buffers:
        steps: s, saved, so that training goes on at its temperature.

    Source: arXiv 1611.01144, Eq. 2.
    """

    name: ClassVar[str] = "gumbel"
    soft: ClassVar[bool] = True
    logarithms: ClassVar[bool] = True

    steps: Tensor

    def __init__(self, start: float = 1.0, end: float = 0.5, anneal_steps: int = 1000) -> None:
        super().__init__()
        self.start, self.end = positive("start", start), positive("end", end)
        self.anneal_steps = at_least_one("anneal_steps", anneal_steps)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @property
    def temperature(self) -> Float[Tensor, ""]:
        """Of the next training step."""
        return self.start * (self.end / self.start) ** (self.steps / self.anneal_steps).clamp_max(1.0)

    def forward(self, latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"]) -> Assigned:
        if not self.training:
            indices = nearest_codeword(latents.detach(), codebook.detach())
            codeword = embedding(indices, codebook)
            return Assigned(indices, codeword, source=codeword)
        logits = closeness(latents, codebook)
        noise = -torch.empty_like(logits).exponential_().log()
        assigned = mixture((logits + noise) / self.temperature.to(logits.dtype), codebook)
        self.steps.add_(1)
        return assigned

    def extra_repr(self) -> str:
        return f"start={self.start}, end={self.end}, anneal_steps={self.anneal_steps}"
