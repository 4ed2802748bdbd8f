"""Means over the latents that count."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def mean(values: Float[Tensor, " N"], valid: Bool[Tensor, " N"] | None = None) -> Float[Tensor, ""]:
    """The mean over the valid latents; 0 when there are none, where ``torch.mean`` has NaN."""
    if valid is None:
        return values.sum() / max(values.shape[0], 1)
    # where, not a product: NaN times 0 is NaN, in the gradient too.
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp_min(1)


def mean_square(error: Float[Tensor, "N F"], valid: Bool[Tensor, " N"] | None = None) -> Float[Tensor, ""]:
    """The mean of the squares over the valid latents and the channels; 0 when there are none."""
    if valid is None:
        return error.square().sum() / max(error.numel(), 1)
    return mean(error.square().sum(1), valid) / error.shape[1]


def mean_row(rows: Float[Tensor, "N K"], valid: Bool[Tensor, " N"] | None = None) -> Float[Tensor, " K"]:
    """The mean row of the valid latents; 0 when there are none."""
    if valid is None:
        return rows.sum(0) / max(rows.shape[0], 1)
    # A product with the mask, not a masked copy, which would be as large as the rows.
    return valid.to(rows.dtype) @ rows / valid.sum().clamp_min(1)
