"""Positions at which there is no latent."""

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor


def spread(rows: Shaped[Tensor, "n *F"], valid: Bool[Tensor, " N"]) -> Shaped[Tensor, "N *F"]:
    """The rows at the valid places, in their order, and 0 at the others."""
    return rows.new_zeros(valid.shape[0], *rows.shape[1:]).index_put((valid,), rows)


def blanked(rows: Shaped[Tensor, "N *F"], valid: Bool[Tensor, " N"]) -> Shaped[Tensor, "N *F"]:
    """The rows with 0 at the places that are not valid, whatever they hold."""
    return torch.where(valid.view(-1, *[1] * (rows.dim() - 1)), rows, 0)
