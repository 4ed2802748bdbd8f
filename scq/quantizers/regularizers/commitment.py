"""The two halves of the quantization error."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from scq.quantizers.means import mean_square
from scq.quantizers.regularizers.regularizer import Quantized, Regularizer


class Commitment(Regularizer):
    """||z - sg(z_q)||^2, averaged over latents and channels: pulls the latents to their codes.

    Its weight is beta, and scales this term alone.

    Source: arXiv 1711.00937, Eq. 3, third term.
    """

    name: ClassVar[str] = "commitment"

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__(weight)

    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        return mean_square(quantized.latents - quantized.reconstruction.detach(), quantized.valid)


class CodebookTerm(Regularizer):
    """||sg(z) - z_q||^2, averaged over latents and channels: pulls the codewords to their latents.

    Source: arXiv 1711.00937, Eq. 3, second term.
    """

    name: ClassVar[str] = "codebook"
    moves_codebook: ClassVar[bool] = True

    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        return mean_square(quantized.reconstruction - quantized.latents.detach(), quantized.valid)
