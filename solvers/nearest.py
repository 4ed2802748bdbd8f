"""The nearest codeword of each latent."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scq.solvers import compiled
from scq.solvers.transforms import transformed

_DISTANCES_AT_ONCE = 2**24
"""Entries of an (n, K) array of distances: one for all latents would be the largest of a training step at large K."""

_WORTH_COMPILING = 2**20
"""Distances in all below which torch is fast enough, and Numba need not be imported."""


def nearest_codeword(latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"]) -> Int[Tensor, " N"]:
    """The number of the codeword at the smallest Euclidean distance, for each latent.

    Args:
        latents: (N, F), finite, float32 or float64.
        codebook: (K, F), of the same dtype and device.
    """
    # Distances are the same wherever the origin lies; at the codebook's mean they lose the fewest digits.
    centre = codebook.mean(0)
    latents, codebook = latents - centre, codebook - centre
    N, K = latents.shape[0], codebook.shape[0]
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or transformed():
        # They see through torch alone, and the number of pieces would tie its graph to the number of latents.
        return torch.addmm(codebook.square().sum(1), latents, codebook.T, alpha=-2).argmin(1)
    if latents.device.type == "cpu" and N * K >= _WORTH_COMPILING and compiled.usable():
        from scq.solvers.compiled.nearest import nearest_columns

        return nearest_columns(latents, codebook)
    squares = codebook.square().sum(1)
    rows = max(1, _DISTANCES_AT_ONCE // K)
    return torch.cat([torch.addmm(squares, z, codebook.T, alpha=-2).argmin(1) for z in latents.split(rows)])
