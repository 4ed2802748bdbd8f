"""What the networks that judge pictures have in common: they are never trained."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate


class Frozen(nn.Module):
    """A network in evaluation mode whose parameters need no gradient. Gradients reach its input."""

    def freeze(self) -> None:
        """To be called when it is made."""
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Frozen":
        """Stays in evaluation mode, whatever model it is a part of."""
        return super().train(False)


def check_pictures(name: str, pictures: Float[Tensor, "..."], channels: int = 3) -> None:
    """
    Raises:
        ValueError: naming the argument: no batch of pictures, or none in it.
    """
    if pictures.ndim != 4 or pictures.shape[1] != channels or not pictures.numel():
        raise ValueError(f"{name} has shape {tuple(pictures.shape)}, must be (B >= 1, {channels}, H, W)")


def check_pair(x: Tensor, y: Tensor) -> None:
    """
    Raises:
        ValueError: two that cannot be compared picture by picture.
    """
    check_pictures("x", x)
    if x.shape != y.shape:
        raise ValueError(f"y has shape {tuple(y.shape)}, must have that of x, {tuple(x.shape)}")


def at_least(pictures: Float[Tensor, "B C H W"], side: int) -> Float[Tensor, "B C h w"]:
    """Smaller pictures enlarged, bilinearly, so that their shorter side has that many pixels."""
    shorter = min(pictures.shape[2:])
    if shorter >= side:
        return pictures
    size = [round(length * side / shorter) for length in pictures.shape[2:]]
    return interpolate(pictures, size, mode="bilinear", align_corners=False)


def unit(features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
    """Features of length 1 at each place; the small number is LPIPS'."""
    return features / torch.sqrt(1e-8 + features.square().sum(1, keepdim=True))
