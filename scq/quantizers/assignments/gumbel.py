"""Gumbel-softmax: a random codeword, relaxed."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import embedding

from scq.quantizers.assignments.assignment import Assigned, Assignment
from scq.quantizers.assignments.softmax import closeness, mixture
from scq.quantizers.checks import at_least_one, positive
from scq.quantizers.scalars import Geometric
from scq.solvers.nearest import nearest_codeword


class Gumbel(Assignment):
    r"""In training p = softmax((-||z - c_k||^2 + g_k) / t), g_k Gumbel(0, 1) noise, k = argmax p; otherwise the nearest
    codeword, hard and without weights.

    Args:
        temperature: the first t, > 0.
        temperature_end: the last t, > 0.
        anneal_steps: training steps from one to the other, >= 1; t is :class:`scq.quantizers.scalars.Geometric`.

    Source: arXiv 1611.01144, Eq. 2.
    """

    name: ClassVar[str] = "gumbel"
    soft: ClassVar[bool] = True
    logarithms: ClassVar[bool] = True

    def __init__(self, temperature: float = 1.0, temperature_end: float = 0.5, anneal_steps: int = 1000) -> None:
        super().__init__()
        start, end = positive("temperature", temperature), positive("temperature_end", temperature_end)
        self.temperature = Geometric(start, end, at_least_one("anneal_steps", anneal_steps))

    def forward(
        self, latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"], valid: Bool[Tensor, " N"] | None = None
    ) -> Assigned:
        if not self.training:
            indices = nearest_codeword(latents.detach(), codebook.detach())
            codeword = embedding(indices, codebook)
            return Assigned(indices, codeword, source=codeword)
        logits = closeness(latents, codebook)
        noise = -torch.empty_like(logits).exponential_().log()
        return mixture((logits + noise) / self.temperature().to(logits.dtype), codebook)
