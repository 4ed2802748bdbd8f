"""The entropy of the weights, of the mean of all and of each."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from scq.quantizers.means import mean, mean_row
from scq.quantizers.regularizers.regularizer import Quantized, Regularizer


class MeanPerplexity(Regularizer):
    """(K - exp(H(p))) / K, p the mean of the weights over the latents, H the entropy in nats: 0 for uniform mean use.

    It cannot tell soft weights from hard ones: all that it sees is their mean.

    Source: the diversity loss of wav2vec 2.0, arXiv 2006.11477, Eq. 4, with its weight, for one group.
    """

    name: ClassVar[str] = "mean_perplexity"
    of_weights: ClassVar[bool] = True

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__(weight)

    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        assert quantized.weights is not None
        return 1 - entropy(mean_row(quantized.weights, quantized.valid)).exp() / quantized.weights.shape[1]


class Entropy(Regularizer):
    """H(p_n), averaged over latents: 0 for one-hot weights, so that it draws the weights to the vertices.

    Source: entropy minimisation, Grandvalet and Bengio, NeurIPS 2004.
    """

    name: ClassVar[str] = "entropy"
    of_weights: ClassVar[bool] = True

    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        assert quantized.weights is not None
        return mean(entropy(quantized.weights), quantized.valid)


def entropy(weights: Float[Tensor, "*N K"]) -> Float[Tensor, "*N"]:
    """-sum_k p_k log p_k. Weights that are 0, or below as those of the relaxation may be, add nothing and have no
    gradient, which would be infinite."""
    there = torch.where(weights > 0, weights, 1.0)
    return -(there * there.log()).sum(-1)
