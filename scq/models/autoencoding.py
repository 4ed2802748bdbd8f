"""What models of pictures have in common that encode, quantize and decode."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from scq.data.batching import to_float
from scq.data.dataset import LazyExamples
from scq.extras import need
from scq.models.base import Model
from scq.models.starting import calibrate
from scq.quantizers.base import QuantizerOutput


class AutoencoderOutput(NamedTuple):
    """What the forward pass of a model of pictures returns.

    Attributes:
        reconstruction: (B, channels, H, W).
        quantized: the quantizer's output; ``quantized.quantized`` is (B, dim, h, w).
        latents: (B, dim, h, w), before quantization.
    """

    reconstruction: Float[Tensor, "B channels H W"]
    quantized: QuantizerOutput
    latents: Float[Tensor, "B dim h w"]


class PictureModel(Model):
    """A model that makes latents (B, dim, h, w) of pictures about in [-0.5, 0.5], and pictures of quantized latents."""

    channel_dim: ClassVar[int] = 1

    @property
    @abstractmethod
    def last_of_encoder(self) -> nn.Conv2d:
        """The layer that gives the latents: linear, so that they can be moved and scaled exactly."""

    @abstractmethod
    def decode(self, quantized: Float[Tensor, "B dim h w"]) -> Float[Tensor, "B channels H W"]:
        """Pictures from quantized latents."""

    def decode_codes(self, codes: Int[Tensor, "B h w *parts"]) -> Float[Tensor, "B channels H W"]:
        """Pictures, about in [-0.5, 0.5], from the hard codes of :meth:`encode_to_codes`."""
        return self.decode(self.quantizer.decode(codes))

    def forward(self, pictures: Float[Tensor, "B channels H W"]) -> AutoencoderOutput:
        """Encodes, quantizes and decodes."""
        latents = self.encode(pictures)
        quantized = self.quantizer(latents)
        return AutoencoderOutput(self.decode(quantized.quantized), quantized, latents)

    def start(self, batch: Float[Tensor, "B channels H W"], latents_offset: float = 0.0) -> None:
        """:meth:`calibrate`, and then :meth:`displace`."""
        self.calibrate(batch)
        self.displace(latents_offset)

    def calibrate(self, pictures: Float[Tensor, "B channels H W"]) -> None:
        """Scales the encoder's last layer so that each channel of the latents of these pictures has mean 0 and variance
        1: what :func:`scq.models.starting.calibrate` says."""
        calibrate(self.last_of_encoder, self.encode(pictures))

    @torch.no_grad()
    def displace(self, offset: float) -> None:
        """Moves all latents of the encoder by ``offset`` in every channel.

        A bad start for every kind of codebook: moving the latents also takes those of quantizers away from their
        codewords whose codewords cannot be moved, as multiples of a frozen matrix or a grid.
        """
        bias = self.last_of_encoder.bias
        assert bias is not None
        bias.add_(offset)

    def distances(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        """Distances of pictures in [-1, 1] that :meth:`evaluate` measures too, by name. By default none."""
        return {}

    def averaged(self) -> AbstractContextManager[None]:
        """Averaged weights in place of the model's own, as long as it lasts.

        Raises:
            ValueError: the model has none.
        """
        raise ValueError(f"model is a {type(self).__name__} without averaged weights, must have them")

    def evaluate(self, examples: UInt8[Tensor, "N 3 H W"] | LazyExamples) -> dict[str, float]:
        """The numbers of :func:`scq.training.evaluate`."""
        need("train")
        from scq.models.evaluation import evaluate

        return evaluate(self, examples)

    @torch.no_grad()
    def samples(self, examples: UInt8[Tensor, "N 3 H W"]) -> UInt8[Tensor, "N 3 H W"]:
        """The reconstructions of pictures, as pictures."""
        return as_pictures(self(to_float(examples).to(next(self.parameters()).device)).reconstruction)


def as_pictures(made: Float[Tensor, "N 3 H W"]) -> UInt8[Tensor, "N 3 H W"]:
    """What a model made, about in [-0.5, 0.5], rounded to pictures of 8 bits on the CPU."""
    return ((made.cpu() + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
