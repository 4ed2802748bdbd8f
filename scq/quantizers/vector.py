"""Vector quantization with the straight-through gradient."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding

from scq.quantizers.base import CodebookQuantizer, QuantizerOutput, mean_square
from scq.quantizers.checks import nonnegative
from scq.quantizers.layout import from_rows, positions
from scq.quantizers.usage import counts, perplexity
from solvers.nearest import nearest_codeword


class VectorQuantizer(CodebookQuantizer):
    r"""Nearest-codeword quantization.

        z_q  = z + sg(c_k - z),   k = argmin_j ||z - c_j||
        loss = ||sg(z) - c_k||^2 + beta ||z - sg(c_k)||^2

    with sg the stop-gradient, and the squares averaged over latents and channels. beta scales the second, commitment,
    term alone: the codebook moves to the latents at full speed whatever beta is.

    Args:
        codebook_size: K, the number of codewords.
        dim: F, the number of channels of a latent.
        commitment_weight: beta, >= 0.
        channel_dim: where the channels of the input are: -1 for (..., F), 1 for (B, F, H, W).
        init: ``"normal"``, ``"uniform"`` or ``"kmeans"``, see :func:`scq.quantizers.codebook.initial_codebook`.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.

    Source: arXiv 1711.00937, Eq. 3.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        commitment_weight: float = 0.25,
        channel_dim: int = -1,
        init: str = "normal",
    ) -> None:
        super().__init__(codebook_size, dim, channel_dim, init)
        self.commitment_weight = nonnegative("commitment_weight", commitment_weight)

    def forward(self, x: Float[Tensor, "..."]) -> QuantizerOutput:
        """Quantizes x.

        Returns:
            ``weights`` is None: they are the one-hot vectors of ``indices``. ``info`` has hard_perplexity and
            active_codes of this batch.

        Raises:
            TypeError, ValueError: x of another dtype or number of channels than the layer's.
        """
        with torch.autocast(x.device.type, enabled=False):
            latents, codebook = self._rows(x)
            indices = nearest_codeword(latents.detach(), codebook.detach())
            chosen = embedding(indices, codebook)
            codebook_loss = mean_square(chosen - latents.detach())
            commitment_loss = mean_square(latents - chosen.detach())
            loss = codebook_loss + self.commitment_weight * commitment_loss
            quantized = latents + (chosen - latents).detach()
            used = counts(indices, self.codebook_size)
            info = {"hard_perplexity": perplexity(used), "active_codes": (used > 0).sum()}
        return QuantizerOutput(
            from_rows(quantized.to(x.dtype), x, self.channel_dim),
            indices.reshape(positions(x, self.channel_dim)),
            loss,
            None,
            info,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, commitment_weight={self.commitment_weight}"
