"""What an assignment says of each latent."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scq.quantizers.checks import Named
from scq.quantizers.scalars import Scalar
from scq.solvers.weights import Weights


class Assigned(NamedTuple):
    """The codes of N latents, in the space of D channels where they were chosen (that of the latents, but for a grid).

    Attributes:
        indices: the hard code of each.
        codeword: (N, D), the codeword of that number, differentiable with respect to the codebook.
        source: (N, D), a differentiable stand-in for the codeword: the latent itself, or its soft mixture of codewords.
        weights: of the mixture, dense (``Weights.dense_of``) or compact; None when there is none.
        log_weights: (N, K), their logarithms, when the assignment has them.
        failed: (N,), True where a latent holds a codeword because nothing else was found for it: its errors count 0 in
            the loss. None when there can be none.
        details: what the assignment's own :meth:`Assignment.info` needs.
    """

    indices: Int[Tensor, " N"]
    codeword: Float[Tensor, "N D"]
    source: Float[Tensor, "N D"]
    weights: Weights | None = None
    log_weights: Float[Tensor, "N K"] | None = None
    failed: Bool[Tensor, " N"] | None = None
    details: Any = None


class Assignment(Named, nn.Module, ABC):
    """Chooses the code of each latent.

    Attributes:
        name: as the registry has it.
        soft: True when it mixes codewords by weights.
        logarithms: True when the weights are positive, and their logarithms known.
        traceable: False when torch.jit.trace would not see what is computed.
    """

    soft: ClassVar[bool] = False
    logarithms: ClassVar[bool] = False
    traceable: ClassVar[bool] = True

    @abstractmethod
    def forward(
        self, latents: Float[Tensor, "N D"], codebook: Float[Tensor, "K F"], valid: Bool[Tensor, " N"] | None = None
    ) -> Assigned:
        """Assigns each latent.

        Args:
            valid: False at padded positions, which are 0, and whose codes and weights nobody looks at; None for none.
        """

    def info(
        self,
        latents: Float[Tensor, "N D"],
        codebook: Float[Tensor, "K F"],
        assigned: Assigned,
        valid: Bool[Tensor, " N"] | None,
        diagnose: bool,
    ) -> dict[str, Tensor]:
        """Detached scalars of its own for the log; the costly ones only where ``diagnose`` asks for them."""
        return {}

    @property
    def moves(self) -> bool:
        """Whether a training step moves buffers."""
        scalars = any(type(scalar).advance is not Scalar.advance for scalar in self._scalars())
        return scalars or type(self).advance is not Assignment.advance

    def advance(self) -> None:
        """Counts a training step, in buffers."""
        for scalar in self._scalars():
            scalar.advance()

    def _scalars(self) -> list[Scalar]:
        return [module for module in self.modules() if isinstance(module, Scalar)]

    def derive(self, device: torch.device) -> None:
        """Makes anew, on that device, the buffers that are not saved because they follow from the settings."""
