"""Vector quantization with the straight-through gradient."""

from scq.quantizers.assignments import Nearest
from scq.quantizers.codebooks import Direct
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.gradients import StraightThrough
from scq.quantizers.regularizers import CodebookTerm, Commitment
from scq.quantizers.setting import Setting


class VectorQuantizer(ComposedQuantizer):
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
        init: ``"normal"``, ``"uniform"`` or ``"kmeans"``, see :func:`scq.quantizers.codebooks.start.initial_codebook`.

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
        terms = (CodebookTerm(), Commitment(commitment_weight))
        super().__init__(codebook_size, dim, Direct(), Nearest(), StraightThrough(), terms, channel_dim, init)

    commitment_weight = Setting(lambda layer: layer.regularizers[1], "weight")
    """beta; it may be changed while training."""
