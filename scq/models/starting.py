"""What the last layer of an untrained encoder is given before the first step."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


@torch.no_grad()
def calibrate(last: nn.Linear | nn.Conv1d | nn.Conv2d, latents: Float[Tensor, "B dim *places"]) -> None:
    """Scales an encoder's last layer so that each channel of these latents, which are its output, has
    mean 0 and variance 1.

    Without it the latents of an untrained encoder are some fifty times smaller than what it encodes, whatever codebook
    is drawn, and grow faster than a codebook can follow: plain vector quantization collapses to a handful of codewords,
    and lam = 0.1 means something else at every step. It is done for every quantizer alike, and changes nothing in the
    architecture.

    Source: Mishkin and Matas, "All you need is a good init", arXiv 1511.06422, here for one layer.
    """
    all_but_channels = (0, *range(2, latents.ndim))
    mean = latents.mean(all_but_channels)
    deviation = latents.std(all_but_channels).clamp_min(torch.finfo(latents.dtype).eps)
    last.weight.div_(deviation.reshape(-1, *[1] * (last.weight.ndim - 1)))
    if last.bias is not None:
        last.bias.sub_(mean).div_(deviation)
