"""Where a codebook starts."""

import torch
from jaxtyping import Float
from torch import Tensor

from scq.solvers.finite import finite_rows
from scq.solvers.nearest import nearest_codeword

_POINTS_PER_CENTRE = 64
"""k-means needs no more latents than this for each centre; further ones only cost time."""


def initial_codebook(codebook_size: int, dim: int, init: str) -> Float[Tensor, "K F"]:
    """Random codewords from torch's global generator, as every layer of torch takes its parameters.

    ``"normal"``: N(0, 1) entries, for latents of unit scale. ``"uniform"``: U(-1/K, 1/K), the customary VQ-VAE start,
    in which every codeword is near 0. ``"kmeans"``: as normal, until the first training batch replaces it.

    Source of the uniform range: the reference code of arXiv 1711.00937.
    """
    if init == "uniform":
        return torch.empty(codebook_size, dim).uniform_(-1 / codebook_size, 1 / codebook_size)
    return torch.randn(codebook_size, dim)


@torch.no_grad()
def kmeans(points: Float[Tensor, "N F"], start: Float[Tensor, "K F"], iterations: int = 10) -> Float[Tensor, "K F"]:
    """K centres of the points by Lloyd's algorithm, without randomness of its own.

    The centres start at K points evenly spaced through the batch (whose order is random already). With fewer points
    than centres, the rest take the rows of ``start``, standard normal, moved to the mean and scale of the points. A
    centre that loses all its points stays where it is. Points that are not finite are left out.

    Args:
        points: (N, F) latents.
        start: (K, F) standard normal rows.
        iterations: Lloyd steps; the codebook is trained afterwards, so convergence is not needed.
    """
    points = points[finite_rows(points)]
    N, K = points.shape[0], start.shape[0]
    if N == 0:
        return start.clone()
    points = points[:: max(1, N // (_POINTS_PER_CENTRE * K))]
    N = points.shape[0]
    chosen = torch.linspace(0, N - 1, min(K, N), dtype=torch.float32, device=points.device).round().long()
    spread = points.std(0, correction=0)
    centres = torch.cat([points[chosen], points.mean(0) + spread * start[len(chosen) :]])
    for _ in range(iterations):
        nearest = nearest_codeword(points, centres)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        sizes = torch.zeros_like(centres[:, :1]).index_add_(0, nearest, torch.ones_like(points[:, :1]))
        centres = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)
    return centres
