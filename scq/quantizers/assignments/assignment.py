"""What an assignment says of each latent."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scq.quantizers.checks import Named


class Assigned(NamedTuple):
    """The codes of N latents, in the space of D channels where they were chosen (that of the latents, but for a grid).

    Attributes:
        indices: the hard code of each.
        codeword: (N, D), the codeword of that number, differentiable with respect to the codebook.
        source: (N, D), a differentiable stand-in for the codeword: the latent itself, or its soft mixture of codewords.
        weights: (N, K) of the mixture; None when there is none.
        log_weights: (N, K), their logarithms, when the assignment has them.
    """

    indices: Int[Tensor, " N"]
    codeword: Float[Tensor, "N D"]
    source: Float[Tensor, "N D"]
    weights: Float[Tensor, "N K"] | None = None
    log_weights: Float[Tensor, "N K"] | None = None


class Assignment(Named, nn.Module, ABC):
    """Chooses the code of each latent.

    Attributes:
        name: as the registry has it.
        soft: True when it mixes codewords by weights.
        logarithms: True when the weights are positive, and their logarithms known.
    """

    soft: ClassVar[bool] = False
    logarithms: ClassVar[bool] = False

    @abstractmethod
    def forward(self, latents: Float[Tensor, "N D"], codebook: Float[Tensor, "K F"]) -> Assigned:
        """Assigns each latent."""

    def advance(self) -> None:
        """Counts a training step, in a buffer."""

    def derive(self, device: torch.device) -> None:
        """Makes anew, on that device, the buffers that are not saved because they follow from the settings."""
