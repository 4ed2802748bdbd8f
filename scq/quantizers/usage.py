"""How much of a codebook is used, two ways that are never mixed.

*Hard* usage counts the argmax codeword of each latent; *soft* usage averages the weights. Soft usage is near uniform by
construction when weights are dense, and says little about how many codewords are needed.
"""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

SUPPORT = 1e-6
"""A codeword is in the support of a latent when its weight exceeds this. Exact zeros of an exact solver, and the small
negative entries that the relaxation leaves, do not count."""


def perplexity(mass: Shaped[Tensor, " K"]) -> Float[Tensor, ""]:
    """exp(H(mass / sum(mass))), with H the Shannon entropy in nats: 1 for one codeword, K for uniform use.

    Negative entries, which the relaxation has, count as 0.
    """
    mass = mass.double().clamp_min(0)
    # The clamp only matters when nothing was counted at all; the perplexity of nothing is then 1.
    return torch.special.entr(mass / mass.sum().clamp_min(torch.finfo(mass.dtype).tiny)).sum().exp()


def counts(
    indices: Int[Tensor, "..."], codebook_size: int, valid: Bool[Tensor, "..."] | None = None
) -> Int[Tensor, " K"]:
    """How often each codeword is chosen, at valid positions only."""
    flat = indices.reshape(-1)
    # Not bincount, whose output shape depends on values and which is not deterministic on a GPU.
    zeros = flat.new_zeros(codebook_size, dtype=torch.long)
    ones = torch.ones_like(flat) if valid is None else valid.reshape(-1).long()
    return zeros.scatter_add_(0, flat, ones)


class Usage:
    """Counts over a whole evaluation set: usage of one batch says little when K is near the batch's size."""

    def __init__(self, codebook_size: int) -> None:
        self._hard = torch.zeros(codebook_size, dtype=torch.long, device="cpu")
        self._soft = torch.zeros(codebook_size, dtype=torch.float64, device="cpu")
        self._support = 0.0
        self._distance = 0.0
        self._latents = 0

    @torch.no_grad()
    def update(self, indices: Int[Tensor, "..."], weights: Float[Tensor, "... K"] | None) -> None:
        """Counts a batch.

        Args:
            indices: the hard code of each latent.
            weights: the weights of each latent, or None when they are the one-hot vectors of ``indices``.
        """
        K = self._hard.shape[0]
        hard = counts(indices, K).cpu()
        self._hard += hard
        self._latents += indices.numel()
        if weights is None:
            self._soft += hard
            self._support += indices.numel()
        else:
            rows = weights.reshape(-1, K).double()
            self._soft += rows.sum(0).cpu()
            self._support += float((rows > SUPPORT).sum())
            # ||p - e_v||^2 = ||p||^2 - 2 p_v + 1; the nearest vertex is that of the largest weight.
            square = rows.square().sum(1) - 2 * rows.amax(1) + 1
            self._distance += float(square.clamp_min(0).sqrt().sum())

    def compute(self) -> dict[str, float]:
        """hard_perplexity, soft_perplexity, active_codes (chosen at least once), support_size (mean a latent),
        tightness: mean Euclidean distance of the weights to their nearest vertex of the simplex, 0 for one-hot weights
        and sqrt(1 - 1/K) for uniform ones."""
        return {
            "hard_perplexity": float(perplexity(self._hard)),
            "soft_perplexity": float(perplexity(self._soft)),
            "active_codes": float((self._hard > 0).sum()),
            "support_size": self._support / max(self._latents, 1),
            "tightness": self._distance / max(self._latents, 1),
        }
