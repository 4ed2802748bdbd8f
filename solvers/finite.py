"""Which latents have numbers at all."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def finite_rows(rows: Float[Tensor, "N F"]) -> Bool[Tensor, " N"]:
    """True where a row has neither NaN nor infinity; F >= 1."""
    # Several times faster than isfinite of every entry: NaN is not below infinity either.
    return rows.detach().abs().amax(1) < torch.inf
