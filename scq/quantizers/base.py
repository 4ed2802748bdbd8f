"""What every quantizer takes, returns and offers."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scq.quantizers.codebook import INITS, initial_codebook, kmeans
from scq.quantizers.layout import to_rows


class QuantizerOutput(NamedTuple):
    """The result of a quantizer, in the order that users of vector quantization expect.

    Attributes:
        quantized: of the shape and dtype of the input.
        indices: the hard code of each latent: the input's shape without the channels.
        loss: a scalar to add to the training loss, in float32 or wider.
        weights: (..., K), the weights of each latent over the codewords; None when they are the one-hot vectors of
            ``indices``, when there is no codebook, or when they were not asked for.
        info: detached scalars for the log.
    """

    quantized: Float[Tensor, "..."]
    indices: Int[Tensor, "..."]
    loss: Float[Tensor, ""]
    weights: Float[Tensor, "..."] | None
    info: dict[str, Tensor]


class Quantizer(nn.Module, ABC):
    """A layer that replaces each latent by something that a codebook describes.

    Attributes:
        diagnose: set it to True for the costly part of ``info`` (the KKT residuals of a quantizer that solves).
    """

    def __init__(self, channel_dim: int = -1) -> None:
        super().__init__()
        if isinstance(channel_dim, bool) or not isinstance(channel_dim, int):
            raise TypeError(f"channel_dim is {channel_dim!r}, must be an integer")
        self.channel_dim = channel_dim
        self.diagnose = False

    @abstractmethod
    def forward(self, x: Float[Tensor, "..."]) -> QuantizerOutput:
        """Quantizes the latents in x, whose channels are at ``channel_dim``."""

    @abstractmethod
    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The hard quantization: the codewords of that number, with the channels at ``channel_dim``."""


def mean_square(error: Float[Tensor, "N F"]) -> Float[Tensor, ""]:
    """The mean over latents and channels; 0 when there are no latents, where ``mse_loss`` has NaN."""
    return error.square().sum() / max(error.numel(), 1)


class CodebookQuantizer(Quantizer):
    """A quantizer with a learned codebook.

    Buffers:
        codebook_initialized: False until k-means has seen the first training batch. It travels in the state_dict, so
            that a loaded codebook is never initialised again.
    """

    codebook_initialized: Tensor

    def __init__(self, codebook_size: int, dim: int, channel_dim: int = -1, init: str = "normal") -> None:
        super().__init__(channel_dim)
        for name, value in (("codebook_size", codebook_size), ("dim", dim)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} is {value!r}, must be an integer")
            if value < 1:
                raise ValueError(f"{name} is {value}, must be at least 1")
        if init not in INITS:
            raise ValueError(f"init is {init!r}, must be one of: {', '.join(INITS)}")
        self.codebook_size, self.dim, self.init = codebook_size, dim, init
        self.codebook = nn.Parameter(initial_codebook(codebook_size, dim, init))
        self.register_buffer("codebook_initialized", torch.tensor(init != "kmeans"))
        # The same in Python: reading a buffer in forward would wait for the device and break a compiled graph.
        self._initialized = init != "kmeans"

    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The codewords of that number, differentiable with respect to the codebook.

        Args:
            indices: of any shape, as forward returns them.

        Returns:
            That shape with the channels put in at ``channel_dim``.
        """
        return nn.functional.embedding(indices, self.codebook).movedim(-1, self.channel_dim)

    def combine(self, weights: Float[Tensor, "... K"]) -> Float[Tensor, "..."]:
        """The soft quantization, weights times codebook, with the channels at ``channel_dim``.

        Raises:
            ValueError: when the last dimension of ``weights`` is not codebook_size.
        """
        if weights.dim() == 0 or weights.shape[-1] != self.codebook_size:
            raise ValueError(f"weights has shape {tuple(weights.shape)}, must be (..., {self.codebook_size})")
        return (weights @ self.codebook.to(weights.dtype)).movedim(-1, self.channel_dim)

    def extra_repr(self) -> str:
        return f"{self.codebook_size}, {self.dim}, channel_dim={self.channel_dim}, init={self.init!r}"

    def _rows(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (N, F) and codebook (K, F), both in the wider of their dtypes and at least float32."""
        latents = to_rows(x, self.dim, self.channel_dim)
        if self.training and not self._initialized:
            self._start_at(latents.detach())
        dtype = torch.promote_types(torch.promote_types(x.dtype, self.codebook.dtype), torch.float32)
        return latents.to(dtype), self.codebook.to(dtype)

    @torch.no_grad()
    def _start_at(self, latents: Tensor) -> None:
        self.codebook.copy_(kmeans(latents.to(self.codebook.dtype), self.codebook))
        self.codebook_initialized.fill_(True)
        self._initialized = True

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: object) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        self._initialized = bool(self.codebook_initialized)
