"""Between a tensor with channels anywhere and the rows of latents that quantizers work on."""

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor


def to_rows(x: Float[Tensor, "..."], dim: int, channel_dim: int) -> Float[Tensor, "N F"]:
    """The latents of ``x`` as rows: every index but the channel's runs over N.

    Raises:
        TypeError: x is no floating-point tensor.
        ValueError: x has no dimension ``channel_dim``, or it is not of size ``dim``.
    """
    check_channels(x, dim, channel_dim)
    return x.movedim(channel_dim, -1).reshape(-1, dim)


def check_channels(x: object, dim: int, channel_dim: int) -> None:
    """
    Raises:
        TypeError: x is no floating-point tensor.
        ValueError: x has no dimension ``channel_dim``, or it is not of size ``dim``.
    """
    check_floating("x", x)
    assert isinstance(x, Tensor)
    positions(x, channel_dim)
    if x.shape[channel_dim] != dim:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, must have {dim} channels in dimension channel_dim={channel_dim}"
        )


def check_floating(name: str, value: object) -> None:
    """
    Raises:
        TypeError: no floating-point tensor.
    """
    if not isinstance(value, Tensor) or not value.dtype.is_floating_point:
        raise TypeError(f"{name} is {kind_of(value)}, must be a floating-point tensor")


def check_indices(indices: object) -> None:
    """
    Raises:
        TypeError: no tensor of integers.
    """
    if not isinstance(indices, Tensor) or indices.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"indices is {kind_of(indices)}, must be a tensor of torch.int64 or torch.int32")


def kind_of(value: object) -> str:
    """The dtype of a tensor, the type of anything else: what a message says of it."""
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def from_rows(rows: Shaped[Tensor, "N F"], like: Tensor, channel_dim: int) -> Shaped[Tensor, "..."]:
    """Rows in the layout of ``like``, the tensor that :func:`to_rows` took."""
    moved = like.movedim(channel_dim, -1).shape
    return rows.reshape(moved).movedim(-1, channel_dim)


def positions(x: Tensor, channel_dim: int) -> torch.Size:
    """The shape of x without its channels: one entry a latent.

    Raises:
        ValueError: x has no dimension ``channel_dim``.
    """
    if not -x.dim() <= channel_dim < x.dim():
        raise ValueError(f"x has shape {tuple(x.shape)}, must have a dimension channel_dim={channel_dim}")
    return x.movedim(channel_dim, -1).shape[:-1]


def check_mask(x: Tensor, mask: Tensor | None, channel_dim: int) -> Bool[Tensor, " N"] | None:
    """The mask of the latents of x, as :func:`to_rows` has them.

    Raises:
        TypeError: a mask that is not boolean.
        ValueError: one of another shape than the positions of x.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"mask is {kind_of(mask)}, must be torch.bool")
    expected = positions(x, channel_dim)
    if mask.shape != expected:
        shape = tuple(mask.shape)
        raise ValueError(f"mask has shape {shape}, must be {tuple(expected)}, that of x without its channels")
    return mask.reshape(-1)
