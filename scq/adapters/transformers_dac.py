"""For the audio codec DAC of transformers."""

import torch
from torch import Tensor, nn

from scq.adapters.adapter import Adapter
from scq.quantizers.base import Quantizer
from scq.quantizers.residual import Residual


def dac(quantizer: Quantizer, hard: bool = False) -> "DacQuantizer":
    """A quantizer for ``DacModel.quantizer`` of transformers: ``model.quantizer = dac(quantizer)``.

    The quantizer's loss goes through the model as its codebook loss, whose weight in the model's settings is 1; the
    commitment loss is 0.

    Args:
        quantizer: with ``channel_dim=1`` and as many channels as ``hidden_size`` of the model; a
            :class:`scq.Residual` for several codebooks. The quantizer dropout is its own.
        hard: of quantizers whose output is a mixture of codewords, whether codewords are decoded in its place.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.

    Source: Kumar et al., High-Fidelity Audio Compression with Improved RVQGAN, arXiv 2306.06546.
    """
    return DacQuantizer(quantizer, (1, -2), hard)


class DacQuantizer(Adapter):
    """Made by :func:`dac`.

    Attributes:
        quantizers: empty: there are no projections for the model's weight normalisation.
    """

    quantizers: tuple[nn.Module, ...] = ()

    def forward(
        self, hidden_state: Tensor, n_quantizers: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Quantizes latents (B, C, T).

        Args:
            hidden_state: the latents.
            n_quantizers: in evaluation, how many stages of a :class:`scq.Residual`; None for all. In training it is
                left aside, as DAC does.

        Returns:
            The quantized latents; the codes (B, codebooks, T), those of stages in groups stage by stage; the latents as
            they came in; 0; and the quantizer's loss.

        Raises:
            TypeError, ValueError: n_quantizers is not one of the numbers that can be.
        """
        layer = self.quantizer
        if n_quantizers is not None and not self.training:
            if isinstance(layer, Residual):
                layer = layer.first(n_quantizers)
            elif n_quantizers != len(self._places):
                kind = type(layer).__name__
                raise ValueError(
                    f"n_quantizers is {n_quantizers}, must be None or {len(self._places)}: a {kind} has no coarser code"
                )
        quantized = self.quantize(hidden_state, layer=layer)
        assert self.output is not None
        codes = self.output.indices.flatten(2) if self.code_dims else self.output.indices.unsqueeze(-1)
        loss = self.output.loss
        return quantized, codes.movedim(-1, 1), hidden_state, torch.zeros_like(loss), loss

    def from_codes(self, audio_codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The quantized latents of codes.

        Args:
            audio_codes: (B, codebooks, T); of a :class:`scq.Residual` also of the first stages alone.

        Returns:
            The latents (B, C, T), the same again in place of projected ones, and the codes.
        """
        self.derive()
        codes = audio_codes.movedim(1, -1)
        if self.code_dims == 0:
            codes = codes.squeeze(-1)
        elif self.code_dims > 1:
            inner = [1 + max(numbers) for numbers in zip(*(place.index for place in self._places), strict=True)][1:]
            codes = codes.unflatten(-1, (-1, *inner))
        quantized = self.quantizer.decode(codes)
        return quantized, quantized, audio_codes
