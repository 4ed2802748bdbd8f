"""Grouped codes: the channels of a latent in groups, each with a quantizer of its own."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scq.quantizers.base import QuantizerOutput
from scq.quantizers.layout import check_channels
from scq.quantizers.stacked import Make, StackedQuantizer


class Grouped(StackedQuantizer):
    r"""The channels in groups, each of which is quantized for itself: G small codebooks in place of one of K^G.

        z = (z_1, ..., z_G),   z_q = (Q_1(z_1), ..., Q_G(z_G)),   loss = 1/G sum_g loss_g

    with Q_g the quantizer of group g. The mean, since the squares in a loss are averaged over channels: those of equal
    groups are then averaged over all channels, as one quantizer would do; and wav2vec 2.0's diversity loss, Eq. 4 of
    arXiv 2006.11477, is the mean of :class:`scq.quantizers.regularizers.MeanPerplexity` over the groups.

    Args:
        make: makes the quantizer of each group, of its number from 0 on: ``lambda group: scq.quantizer("scq", 64, 8)``.
            Their ``dim`` together are the channels of the input. It may give a :class:`Residual`. Or one quantizer,
            whose codebook all groups share.
        groups: their number, G.

    Shapes: ``indices`` (..., G), ``weights`` (..., G, K), the numbers of ``info`` (G,); of groups with S stages
    (..., S, G), (..., S, G, K) and (S, G). The weights are None unless all groups have some, ``info`` has what all
    groups have.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.

    Source: Jégou et al., Product Quantization for Nearest Neighbor Search, IEEE TPAMI 33(1), 2011; Baevski et al.,
    wav2vec 2.0, arXiv 2006.11477, section 2; of residual stages, Yang et al., HiFi-Codec, arXiv 2305.02765.
    """

    def __init__(self, make: Make, groups: int) -> None:
        super().__init__("groups", groups, make)
        self.dim = sum(part.dim for part in self.parts())

    def first_channels(self) -> Sequence[int]:
        return list(itertools.accumulate((part.dim for part in self.parts()[:-1]), initial=0))

    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes x, group by group.

        Raises:
            ValueError: x has other channels than ``dim``; otherwise as its quantizers.
        """
        check_channels(x, self.dim, self.channel_dim)
        split = x.split([part.dim for part in self.parts()], self.channel_dim)
        outputs = [part(own, mask) for part, own in zip(self.parts(), split, strict=True)]
        quantized = self._joined([output.quantized for output in outputs])
        return self._stacked(quantized, outputs, torch.stack([output.loss for output in outputs]).mean())

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts), self.channel_dim)
