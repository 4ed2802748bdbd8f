"""Where the gap lives: the distance of exact and relaxed weights at every latent of held-out pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from scq import data
from scq.data.batching import at_once
from scq.data.dataset import Examples, spread
from scq.diagnostics import gap_at_latents
from scq.models.base import Model
from scq.training.config import CommonConfig
from scq.training.folder import write_bytes
from scq.training.tensors import read_tensors, serialised

GAP_MAP = "gap_map.safetensors"

_PICTURES, _SHOWN = 256, 10
_AT_ONCE = 32
"""Pictures of 32 x 32 whose weights are held in memory together: 2,048 latents."""


@dataclass(frozen=True)
class GapMap:
    """The gap at each of h x w latents of M held-out pictures.

    Attributes:
        distance: ||p_exact - p_relaxed||; NaN where the exact solver failed.
        support_exact, support_relaxed: codewords with weight above 1e-6.
        contrast: standard deviation of the grey values of the pixels below the latent, at scale [0, 1].
        pictures: the ones to show.
        shown: which of the M they are.
    """

    distance: Float[np.ndarray, "M h w"]
    support_exact: Int[np.ndarray, "M h w"]
    support_relaxed: Int[np.ndarray, "M h w"]
    contrast: Float[np.ndarray, "M h w"]
    pictures: UInt8[np.ndarray, "n H W 3"]
    shown: Int[np.ndarray, " n"]


@torch.no_grad()
def save_gap_map(folder: Path, model: Model, images: Examples, config: CommonConfig) -> None:
    """Solves the latents of at most 256 pictures, spread evenly over ``images``, both ways, and writes the gap.

    Args:
        folder: of the run, which gets ``gap_map.safetensors``.
        model: with a soft convex quantizer.
        images: held-out pictures.
        config: the settings of its run, or what it has in common with others.
    """
    chosen = images[spread(len(images), _PICTURES)]
    device = next(model.parameters()).device
    parts = []
    for batch in chosen.split(at_once(chosen, _AT_ONCE)):
        pictures = data.to_float(batch.to(device))
        gap = gap_at_latents(model, pictures, config)
        distance = gap["weights_l2"].float()
        supports = {name: gap[name] for name in ("support_exact", "support_relaxed")}
        parts.append({"distance": distance, **supports, "contrast": _contrast(pictures, distance.shape[1])})
    tensors = {name: torch.cat([part[name] for part in parts]).cpu().contiguous() for name in parts[0]}
    shown = spread(len(chosen), _SHOWN)
    write_bytes(folder / GAP_MAP, serialised(tensors | {"pictures": chosen[shown], "shown": shown}))


def load_gap_map(folder: Path) -> GapMap | None:
    """What :func:`save_gap_map` wrote; None where it wrote nothing."""
    path = folder / GAP_MAP
    if not path.is_file():
        return None
    arrays = {name: tensor.numpy() for name, tensor in read_tensors(path).items()}
    return GapMap(**arrays | {"pictures": arrays["pictures"].transpose(0, 2, 3, 1)})


def _contrast(pictures: Float[Tensor, "M 3 H W"], height: int) -> Float[Tensor, "M h w"]:
    """The standard deviation of the grey values in the square of pixels that each latent replaces."""
    grey, side = pictures.mean(1, keepdim=True), pictures.shape[2] // height
    return (avg_pool2d(grey.square(), side) - avg_pool2d(grey, side).square()).clamp_min(0.0).sqrt().squeeze(1)
