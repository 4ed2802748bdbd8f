r"""Rate and distortion: what a latent costs in bits, and the error of the pictures that are decoded from those bits.

Hard decoding sends the codeword of the largest weight: its bits are the entropy of the codes, as an ideal entropy coder
would need. A soft code sends the n largest weights, n <= the cap s, and their codewords:

    bits = log2 s + log2 binom(K, n) + 8 (n - 1)

for n, for which codewords, and for the weights at 8 bits each, the last of which follows from the others. Weights that
are negative or round to 0 of 255 are not sent; those that are sent are scaled to the sum 1 by the decoder. Of stages
and groups each is sent for itself, and the bits of a latent are their sum.
"""

import math
from collections import Counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from scq.data.batching import at_once, to_float
from scq.models import PictureModel
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.stacked import StackedQuantizer, places
from scq.quantizers.usage import counts, perplexity
from scq.validation.studies.measures import Trained

CAPS = (2, 4, 8, 16)

_BATCH = 250
_LEVELS = 255


@torch.no_grad()
def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        points: one dict for each cap: cap (1 for hard decoding), bits (mean a latent), and mse (of pictures in [0, 1]).
            Only cap 1 for hard quantizers.
    """
    model = trained.model()
    quantizer = model.quantizer
    if not isinstance(quantizer, (ComposedQuantizer, StackedQuantizer)):
        return {}
    used = {place.index: torch.zeros(quantizer.codebook_size, device=trained.device) for place in places(quantizer)}
    square, bits, latents, pixels = Counter[int](), Counter[int](), 0, 0
    for batch in trained.images.test.split(at_once(trained.images.test, _BATCH)):
        target = batch.to(trained.device) / 255
        output = model(to_float(batch).to(trained.device)).quantized
        latents, pixels = latents + output.indices.numel() // len(used), pixels + batch.numel()
        for index, own in used.items():
            own += counts(output.indices[(..., *index)], quantizer.codebook_size)
        square[1] += _error(model, quantizer.decode(output.indices), target)
        for cap in CAPS if output.weights is not None else ():
            weights, number = quantized(output.weights.flatten(0, -2), cap)
            bits[cap] += float(_bits(quantizer.codebook_size, cap)[number - 1].sum())
            square[cap] += _error(model, quantizer.combine(weights.reshape(output.weights.shape)), target)
    bits[1] = latents * sum(math.log2(float(perplexity(own))) for own in used.values())
    return {"points": [{"cap": cap, "bits": bits[cap] / latents, "mse": square[cap] / pixels} for cap in square]}


def _error(model: PictureModel, sent: Tensor, target: Tensor) -> float:
    """The squared error of all pixels."""
    return float(((model.decode(sent) + 0.5).clamp(0, 1) - target).square().sum())


def quantized(weights: Float[Tensor, "N K"], cap: int) -> tuple[Float[Tensor, "N K"], Tensor]:
    """The ``cap`` largest weights of each row at 8 bits, scaled to the sum 1, and how many of them are not 0."""
    kept = weights.topk(min(cap, weights.shape[1]), dim=1)
    # The relaxation leaves negative weights, for which there is no code.
    positive = kept.values.clamp_min(0)
    levels = (positive / positive.sum(1, keepdim=True) * _LEVELS).round()
    weights = torch.zeros_like(weights).scatter(1, kept.indices, levels / levels.sum(1, keepdim=True))
    return weights, (levels > 0).sum(1).cpu()


def _bits(size: int, cap: int) -> Tensor:
    """Of a latent with n = 1, 2, ... weights, up to the cap or all."""
    cap = min(cap, size)
    return torch.tensor([math.log2(cap) + math.log2(math.comb(size, n)) + 8 * (n - 1) for n in range(1, cap + 1)])
