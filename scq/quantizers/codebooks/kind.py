"""What a kind of codebook is: which tensors hold it, and what moves it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scq.quantizers.checks import Named


class Codebook(Named, ABC):
    """A kind of codebook. It has settings only; the tensors belong to the layer that it is installed in.

    Attributes:
        name: as the registry has it.
        trained: True when a gradient moves it.
        computed: True when :meth:`codewords` makes them, False when the layer has them as ``codebook``.
        inits: the starts that it can have.
    """

    trained: ClassVar[bool] = True
    computed: ClassVar[bool] = False
    inits: ClassVar[tuple[str, ...]] = ("normal", "uniform", "kmeans")

    @abstractmethod
    def install(self, layer: nn.Module, start: Float[Tensor, "K F"]) -> None:
        """Registers its parameters and buffers in the layer.

        Args:
            start: random codewords, as ``init`` says.
        """

    def codewords(self, layer: nn.Module) -> Float[Tensor, "K F"]:
        """The codewords as they are now, of kinds that compute them."""
        raise NotImplementedError

    def parameters(self, layer: nn.Module) -> list[nn.Parameter]:
        """What freezing the codebook freezes."""
        return [layer.codebook]

    @torch.no_grad()
    def restart(self, layer: nn.Module, codewords: Float[Tensor, "K F"]) -> None:
        """Puts the codewords there; of kinds whose ``inits`` have ``"kmeans"``."""
        layer.codebook.copy_(codewords)

    def enter(self, layer: nn.Module, latents: Float[Tensor, "N F"]) -> Float[Tensor, "N D"]:
        """The latents in the space where codes are chosen."""
        return latents

    def leave(self, layer: nn.Module, codes: Float[Tensor, "N D"]) -> Float[Tensor, "N F"]:
        """Back in the space of the latents."""
        return codes

    def observe(
        self,
        layer: nn.Module,
        latents: Float[Tensor, "N F"],
        indices: Int[Tensor, " N"],
        valid: Bool[Tensor, " N"] | None,
    ) -> None:
        """Sees the latents of a training step and their codes; a codebook that follows them moves."""
