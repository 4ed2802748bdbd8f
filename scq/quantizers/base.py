"""What every quantizer takes, returns and offers."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils._pytree import _register_namedtuple


class QuantizerOutput(NamedTuple):
    """The result of a quantizer, in the order that users of vector quantization expect.

    Attributes:
        quantized: of the shape and dtype of the input.
        indices: the hard code of each latent: the input's shape without the channels. Of several quantizers in one
            (residual, grouped), with one more dimension, the last, in which each has its own.
        loss: a scalar to add to the training loss, in float32 or wider.
        weights: (..., K), the weights of each latent over the codewords; None when they are the one-hot vectors of
            ``indices``, when there is no codebook, or when they were not asked for. Of several quantizers in one, each
            has its own, as it has its own of ``indices``.
        info: detached numbers for the log: scalars; of several quantizers in one, tensors with the number of each.
    """

    quantized: Float[Tensor, "..."]
    indices: Int[Tensor, "..."]
    loss: Float[Tensor, ""]
    weights: Float[Tensor, "..."] | None
    info: dict[str, Tensor]


# Otherwise torch.export.save refuses what a layer returns.
_register_namedtuple(QuantizerOutput, serialized_type_name="scq.QuantizerOutput")


class Quantizer(nn.Module, ABC):
    """A layer that replaces each latent by something that a codebook describes.

    Attributes:
        diagnose: set it to True for the costly part of ``info`` (the KKT residuals of a quantizer that solves).
    """

    diagnose: bool = False

    def __init__(self, channel_dim: int = -1) -> None:
        super().__init__()
        if isinstance(channel_dim, bool) or not isinstance(channel_dim, int):
            raise TypeError(f"channel_dim is {channel_dim!r}, must be an integer")
        self.channel_dim = channel_dim

    @abstractmethod
    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes the latents in x, whose channels are at ``channel_dim``.

        Args:
            mask: of the shape of ``indices``, False at padded positions. What stands there counts neither in the loss
                nor in ``info`` nor in what a codebook follows, receives no gradient, and becomes 0: quantized, index
                and weights.
        """

    @abstractmethod
    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The hard quantization: the codewords of that number, with the channels at ``channel_dim``."""

    def get_codes_from_indices(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """:meth:`decode`, by the name that it has in vector-quantize-pytorch."""
        return self.decode(indices)
