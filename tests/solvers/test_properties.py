"""Interior point on several hundred drawn problems, many of them degenerate: always solved, and certified."""

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import least_distance
from problems import objective

import solvers

N = 6

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

PROBLEMS = {
    "F": st.integers(1, 8),
    "K": st.integers(1, 16),
    "log_lam": st.floats(-3, 3),
    "log_scale": st.floats(-2, 2),
    "codebook": st.sampled_from(list(CODEBOOKS)),
    "latents": st.sampled_from(list(LATENTS)),
    "dense": st.booleans(),
    "seed": st.integers(0, 2**31),
}


def build(
    F: int, K: int, log_lam: float, log_scale: float, codebook: str, latents: str, dense: bool, seed: int
) -> solvers.Problem:
    random = np.random.default_rng(seed)
    C = 10**log_scale * CODEBOOKS[codebook](random, K, F)
    z = LATENTS[latents](random, C)
    a = torch.tensor(random.dirichlet(np.full(K, 0.3), size=N)) if dense else None
    return solvers.Problem(torch.tensor(z), torch.tensor(C), 10**log_lam, a)


@given(**PROBLEMS)
@settings(max_examples=200, derandomize=True, deadline=None, database=None)
def test_float64_is_always_solved_to_its_promise_with_finite_gradients(**drawn: object) -> None:
    problem = build(**drawn)
    wanted = [problem.latents.requires_grad_(), problem.codebook.requires_grad_()]
    solution = solvers.solve(problem, "interior_point", throw=False)
    assert (solution.status == solvers.Status.SOLVED).all(), solution
    assert (solution.residuals.relative <= 1e-9).all()
    assert (solution.weights >= 0).all()
    assert (solution.weights.sum(1) - 1).abs().max() <= 1e-12
    for derivative in torch.autograd.grad(solution.weights.square().sum(), wanted):
        assert torch.isfinite(derivative).all()


@given(**PROBLEMS)
@settings(max_examples=60, derandomize=True, deadline=None, database=None)
def test_no_point_found_by_nnls_is_better(**drawn: object) -> None:
    problem = build(**drawn)
    weights = solvers.solve(problem, "interior_point").weights
    z, C, a = problem.latents.numpy(), problem.codebook.numpy(), problem.dense_anchor().numpy()
    other = torch.tensor(least_distance(z - C.mean(0), C - C.mean(0), float(problem.lam), a))
    best = objective(problem, other)
    assert (objective(problem, weights) <= best + 1e-12 * (1 + best)).all()


@given(**PROBLEMS)
@settings(max_examples=50, derandomize=True, deadline=None, database=None)
def test_float32_is_always_solved_to_its_promise(**drawn: object) -> None:
    """Up to the last rounding of the weights, to which |C| |C|^T p + lam is what the residual is sensitive."""
    wide = build(**drawn)
    a = wide.anchor.float() if wide.anchor.dim() == 2 else None
    problem = solvers.Problem(wide.latents.float(), wide.codebook.float(), wide.lam, a)
    solution = solvers.solve(problem, "interior_point", throw=False)
    assert (solution.status == solvers.Status.SOLVED).all(), solution
    C = problem.codebook.double().abs()
    rounding = 2**-23 * (solution.weights.double() @ C @ C.T + problem.lam).amax(1)
    assert (solution.residuals.relative <= 1e-5 + rounding / solution.residuals.scale).all()
