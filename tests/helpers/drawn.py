"""Codebooks and latents for drawn problems, many of them degenerate, and what is asked of every answer."""

from collections.abc import Callable

import numpy as np
import torch

from scq import solvers
from scq.solvers import Status

N = 6
"""Latents of a drawn problem."""

CODEBOOKS: dict[str, Callable] = {
    "random": lambda random, K, F: random.normal(size=(K, F)),
    "duplicates": lambda random, K, F: random.normal(size=(K, F))[random.integers(0, (K + 1) // 2, K)],
    "nearly duplicates": lambda random, K, F: (
        random.normal(size=(K, F))[random.integers(0, (K + 1) // 2, K)] + 1e-9 * random.normal(size=(K, F))
    ),
    "collinear": lambda random, K, F: random.normal(size=(K, 1)) * random.normal(size=F) + random.normal(size=F),
    "all equal": lambda random, K, F: np.tile(random.normal(size=F), (K, 1)),
    "grid": lambda random, K, F: random.integers(-1, 2, size=(K, F)).astype(float),
    "far away": lambda random, K, F: random.normal(size=(K, F)) + 30.0,
    "one long": lambda random, K, F: random.normal(size=(K, F)) * np.where(np.arange(K) == 0, 100.0, 1.0)[:, None],
}

LATENTS: dict[str, Callable] = {
    "vertices": lambda random, C: C[random.integers(0, len(C), N)],
    "midpoints": lambda random, C: (C[random.integers(0, len(C), N)] + C[random.integers(0, len(C), N)]) / 2,
    "in the hull": lambda random, C: random.dirichlet(np.ones(len(C)), size=N) @ C,
    "on faces": lambda random, C: random.dirichlet(np.full(len(C), 0.05), size=N) @ C,
    "outside": lambda random, C: C.mean(0) + 3 * np.abs(C).max() * random.normal(size=(N, C.shape[1])),
    "the centre": lambda random, C: np.tile(C.mean(0), (N, 1)),
}

PROMISE = {torch.float32: 1e-5, torch.float64: 1e-9}


def no_answer_without_a_certificate(
    F: int, K: int, log_lam: float, log_scale: float, codebook: str, latents: str, dtype: torch.dtype, seed: int
) -> None:
    random = np.random.default_rng(seed)
    C = CODEBOOKS[codebook](random, K, F)
    C = 10**log_scale * C / max(np.linalg.norm(C, axis=1).max(), 1e-6)
    z = torch.tensor(LATENTS[latents](random, C), dtype=dtype)
    problem = solvers.Problem(z.requires_grad_(), torch.tensor(C, dtype=dtype).requires_grad_(), 10**log_lam)
    solution = solvers.solve(problem, throw=False)

    # What is known of g at all: it is a sum of products of codewords, latents and weights, each rounded.
    wide = problem.codebook.detach().double()
    size = (wide - wide.mean(0)).norm(dim=1).amax()
    reach = (z.detach().double() - wide.mean(0)).norm(dim=1)
    products = 16 * (size * (size + reach) + problem.lam)
    eps = torch.finfo(torch.float64).eps
    rounding = torch.finfo(dtype).eps * products + 16 * eps * wide.mean(0).norm() ** 2
    residuals, solved = solution.residuals, solution.converged
    assert (residuals.relative <= PROMISE[dtype] + rounding / residuals.scale)[solved].all()
    # Only where rounding of the search itself, in float64, may hide the promise may a column stay unsolved: where g is
    # not known that well, or where lam is so small beside the codewords that H_SS cannot be inverted. Then it says so
    # and holds its anchor.
    hidden = (eps * products > 0.1 * PROMISE[dtype]) | (problem.lam < 1e-9 * size**2)
    assert (solved | hidden).all(), solution
    assert (solution.status[~solved] == Status.MAX_ITER).all()
    assert torch.equal(solution.weights[~solved], problem.dense_anchor()[~solved])
    assert (solution.compact.values >= 0).all()
    for derivative in torch.autograd.grad(solution.reconstruction.square().sum(), [problem.latents, problem.codebook]):
        assert torch.isfinite(derivative).all()
