"""Problems for the tests."""

import torch
from torch import Tensor

from scq import solvers


def simplex(N: int, K: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Points of the simplex."""
    weights = -torch.rand(N, K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).log()
    return (weights / weights.sum(1, keepdim=True)).to(dtype)


def objective(problem: solvers.Problem, weights: Tensor) -> Tensor:
    """1/2 ||C^T p - z||^2 + lam/2 ||p - a||^2 of every column, in float64."""
    p = weights.double()
    fit = (p @ problem.codebook.double() - problem.latents.double()).square().sum(1)
    return 0.5 * fit + 0.5 * problem.lam.double() * (p - problem.dense_anchor(dtype=torch.float64)).square().sum(1)
