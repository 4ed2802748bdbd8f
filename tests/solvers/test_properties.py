"""Our exact backends on several hundred drawn problems, many of them degenerate: always solved, and certified."""

import numpy as np
import pytest
import torch
from drawn import CODEBOOKS, LATENTS, N
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import least_distance
from problems import objective

from scq import solvers

OURS = pytest.mark.parametrize("backend", ["interior_point", "active_set"])

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
    C = CODEBOOKS[codebook](random, K, F)
    # The scale is that of the largest codeword: rounding of the multipliers grows with its square.
    C = 10**log_scale * C / max(np.linalg.norm(C, axis=1).max(), 1e-6)
    z = LATENTS[latents](random, C)
    a = torch.tensor(random.dirichlet(np.full(K, 0.3), size=N)) if dense else None
    return solvers.Problem(torch.tensor(z), torch.tensor(C), 10**log_lam, a)


@OURS
@given(**PROBLEMS)
@settings(max_examples=60, derandomize=True, deadline=None, database=None)
def test_float64_is_always_solved_to_its_promise_with_finite_gradients(backend: str, **drawn: object) -> None:
    problem = build(**drawn)
    wanted = [problem.latents.requires_grad_(), problem.codebook.requires_grad_()]
    solution = solvers.solve(problem, backend, throw=False)
    assert (solution.status == solvers.Status.SOLVED).all(), solution
    assert (solution.residuals.relative <= 1e-9).all()
    assert (solution.weights >= 0).all()
    assert (solution.weights.sum(1) - 1).abs().max() <= 1e-12
    for derivative in torch.autograd.grad(solution.weights.square().sum(), wanted):
        assert torch.isfinite(derivative).all()


@OURS
@given(**PROBLEMS | {"log_scale": st.floats(2, 5)})
@settings(max_examples=30, derandomize=True, deadline=None, database=None)
def test_where_rounding_hides_the_promise_a_column_is_solved_or_says_that_it_is_not(
    backend: str, **drawn: object
) -> None:
    """Multipliers are known to eps |C|^2, which is above 1e-9 for codewords of 1e4 and more."""
    problem = build(**drawn)
    solution = solvers.solve(problem, backend, throw=False, max_iter=50)
    rounding = 16 * torch.finfo(torch.float64).eps * problem.codebook.square().sum(1).amax()
    solved = solution.converged
    assert (solution.residuals.relative <= 1e-9 + rounding / solution.residuals.scale)[solved].all()
    assert (solution.status[~solved] == solvers.Status.MAX_ITER).all()
    assert torch.equal(solution.weights[~solved], problem.dense_anchor()[~solved])


@OURS
@given(**PROBLEMS)
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
def test_no_point_found_by_nnls_is_better(backend: str, **drawn: object) -> None:
    problem = build(**drawn)
    weights = solvers.solve(problem, backend).weights
    z, C, a = problem.latents.numpy(), problem.codebook.numpy(), problem.dense_anchor().numpy()
    other = torch.tensor(least_distance(z - C.mean(0), C - C.mean(0), float(problem.lam), a))
    best = objective(problem, other)
    assert (objective(problem, weights) <= best + 1e-12 * (1 + best)).all()


@OURS
@given(**PROBLEMS)
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
def test_float32_is_always_solved_to_its_promise(backend: str, **drawn: object) -> None:
    """Up to the rounding of a unit-size instance and of the weights, to which g is as sensitive as C C^T is large."""
    wide = build(**drawn)
    a = wide.anchor.float() if wide.anchor.dim() == 2 else None
    problem = solvers.Problem(wide.latents.float(), wide.codebook.float(), wide.lam, a)
    solution = solvers.solve(problem, backend, throw=False)
    assert (solution.status == solvers.Status.SOLVED).all(), solution
    centre = problem.codebook.double().mean(0)
    size = (problem.codebook.double() - centre).norm(dim=1).amax()
    distance = (problem.latents.double() - centre).norm(dim=1)
    rounding = 2**-21 * (size * (size + distance) + problem.lam)
    assert (solution.residuals.relative <= 1e-5 + rounding / solution.residuals.scale).all()
