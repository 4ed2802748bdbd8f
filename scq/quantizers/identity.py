"""No quantization, with the same output as everyone's."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.layout import positions


class NoQuantizer(Quantizer):
    """The identity: latents pass as they are. The autoencoder with it is the upper bound of all quantized ones.

    ``indices`` are zeros, ``loss`` is 0, ``weights`` is None, ``info`` is empty.
    """

    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Returns x itself as ``quantized``; there is nothing that a mask would leave out."""
        indices = torch.zeros(positions(x, self.channel_dim), dtype=torch.long, device=x.device)
        loss = torch.zeros((), dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)
        return QuantizerOutput(x, indices, loss, None, {})

    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """There is no codebook to decode with.

        Raises:
            TypeError: always.
        """
        raise TypeError("NoQuantizer has no codebook, so indices cannot be decoded")


def no_quantizer(codebook_size: int, dim: int, channel_dim: int = -1) -> NoQuantizer:
    """A :class:`NoQuantizer` by the registry's call; the sizes of the codebook it lacks are not used."""
    return NoQuantizer(channel_dim)
