"""What a term of the loss is told, and what it needs."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from scq.quantizers.checks import Named, nonnegative


class Quantized(NamedTuple):
    """What a quantizer made of N latents.

    Attributes:
        latents: (N, D), before quantization.
        reconstruction: (N, D), what replaces them, with its derivative with respect to the codebook and the weights.
        weights: (N, K); None when they are one-hot vectors.
        log_weights: (N, K), when they are known.
        valid: (N,), False where a latent does not count: at padding, and where it has no solution; None when all do.
        failed: (N,), True where it has no solution; its latent and its reconstruction are 0. None when there can be
            none.
        mask: (N,), with ``failed``: False at padding alone; None when there is none.
    """

    latents: Float[Tensor, "N D"]
    reconstruction: Float[Tensor, "N D"]
    weights: Float[Tensor, "N K"] | None = None
    log_weights: Float[Tensor, "N K"] | None = None
    valid: Bool[Tensor, " N"] | None = None
    failed: Bool[Tensor, " N"] | None = None
    mask: Bool[Tensor, " N"] | None = None


class Regularizer(Named, ABC):
    """A term of the quantizer's loss, a mean over the latents that count.

    Args:
        weight: what it is multiplied with, >= 0; it may be changed while training.

    Attributes:
        name: as the registry has it.
        of_weights: True when it is about the weights, which must then be there.
        of_logarithms: True when it needs their logarithms.
        moves_codebook: True when its gradient reaches the codewords that replace the latents.
    """

    of_weights: ClassVar[bool] = False
    of_logarithms: ClassVar[bool] = False
    moves_codebook: ClassVar[bool] = False

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = nonnegative(f"weight of {self.name}", weight)

    @abstractmethod
    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        """The term, before its weight."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight})"


def total(regularizers: tuple[Regularizer, ...], quantized: Quantized) -> Float[Tensor, ""]:
    """The weighted sum. Terms of the weights are left out when there are none, as of Gumbel-softmax at test."""
    terms = [
        regularizer.weight * regularizer(quantized)
        for regularizer in regularizers
        if quantized.weights is not None or not regularizer.of_weights
    ]
    return sum(terms, quantized.latents.new_zeros(()))
