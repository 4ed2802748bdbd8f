"""For diffusers' VQModel."""

from torch import Tensor

from scq.adapters.adapter import Adapter
from scq.quantizers.base import Quantizer
from scq.quantizers.calls import by_name


def vq_model(quantizer: Quantizer, hard: bool = False) -> "VQModelQuantizer":
    """A quantizer for ``VQModel.quantize`` of diffusers: ``model.quantize = vq_model(quantizer)``.

    The loss that the model hands on, ``commit_loss``, is the quantizer's.

    Args:
        quantizer: with ``channel_dim=1`` and as many channels as ``vq_embed_dim`` of the model, which is
            ``latent_channels`` by default.
        hard: of quantizers whose output is a mixture of codewords, whether codewords are decoded in its place.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.
    """
    return VQModelQuantizer(quantizer, (1, -3), hard)


class VQModelQuantizer(Adapter):
    """Made by :func:`vq_model`."""

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor | None, None, Tensor]]:
        """Quantizes latents (B, C, H, W).

        Returns:
            The quantized latents; the loss; perplexity (the mean over codebooks), None, and the codes (B H W,), of
            residual and grouped quantizers with their dimensions after that.
        """
        quantized = self.quantize(z)
        assert self.output is not None
        indices = self.output.indices
        perplexity = by_name(self.output.info).get("hard_perplexity")
        return quantized, self.output.loss, (perplexity, None, indices.flatten(0, 2))

    def get_codebook_entry(self, indices: Tensor, shape: tuple[int, ...] | None) -> Tensor:
        """The codewords of codes.

        Args:
            indices: as forward returns them, or with the dimensions of the positions apart.
            shape: (B, H, W, C), for a result (B, C, H, W); None for (B H W, C).
        """
        self.derive()
        own = indices.shape[indices.dim() - self.code_dims :]
        flat = indices.reshape(-1, 1, 1, *own) if shape is None else indices.reshape(*shape[:3], *own)
        codewords = self.quantizer.decode(flat)
        return codewords.flatten(1) if shape is None else codewords
