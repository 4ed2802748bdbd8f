"""The quantization error, undivided."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from scq.quantizers.means import mean_square
from scq.quantizers.regularizers.regularizer import Quantized, Regularizer


class QuantizationError(Regularizer):
    """||z - z_q||^2, averaged over latents and channels: moves latents and codewords towards each other alike.

    A latent without a solution adds 0 to the sum, and counts in the mean.

    Source: arXiv 2310.03004; it is the sum of the codebook and the commitment term, each at the same weight.
    """

    name: ClassVar[str] = "quantization_error"
    moves_codebook: ClassVar[bool] = True

    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        latents = quantized.valid if quantized.failed is None else quantized.mask
        return mean_square(quantized.latents - quantized.reconstruction, latents)
