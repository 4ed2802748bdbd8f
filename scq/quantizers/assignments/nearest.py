"""The nearest codeword."""

from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import embedding

from scq.quantizers.assignments.assignment import Assigned, Assignment
from scq.solvers.nearest import nearest_codeword


class Nearest(Assignment):
    """k = argmin_j ||z - c_j||; the codeword replaces the latent itself, without weights.

    Source: arXiv 1711.00937, Eq. 1.
    """

    name: ClassVar[str] = "nearest"

    def forward(
        self, latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"], valid: Bool[Tensor, " N"] | None = None
    ) -> Assigned:
        indices = nearest_codeword(latents.detach(), codebook.detach())
        return Assigned(indices, embedding(indices, codebook), source=latents)
