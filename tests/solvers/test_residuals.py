"""The certificate, against formulas written out in NumPy and against exact solves."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from problems import objective, simplex

from scq import solvers
from scq.solvers.synthetic import hull


def by_hand(problem: solvers.Problem, weights: torch.Tensor) -> dict[str, np.ndarray]:
    """The formulas of the KKT residuals, column by column."""
    z, C, lam = problem.latents.double().numpy(), problem.codebook.double().numpy(), float(problem.lam)
    a, p = problem.dense_anchor(dtype=torch.float64).numpy(), weights.double().numpy()
    rows = {"primal": [], "dual": [], "complementarity": []}
    for n in range(len(z)):
        g = C @ (C.T @ p[n] - z[n]) + lam * (p[n] - a[n])
        nu = p[n] @ g
        rows["primal"].append(max(abs(p[n].sum() - 1), (-p[n]).max()))
        rows["dual"].append(max(0.0, (nu - g).max()))
        rows["complementarity"].append(np.abs(p[n] * (g - nu)).max())
    return {name: np.array(values) for name, values in rows.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dense", [False, True])
def test_residuals_are_the_formulas(dtype: torch.dtype, dense: bool) -> None:
    latents, codebook = hull(9, 5, 20, dtype)
    problem = solvers.Problem(latents, codebook, 0.3, simplex(9, 20, dtype) if dense else None)
    weights = torch.randn(9, 20, dtype=dtype) / 10
    residuals = solvers.kkt_residuals(problem, weights)
    for name, expected in by_hand(problem, weights).items():
        np.testing.assert_allclose(getattr(residuals, name).numpy(), expected, rtol=1e-10, atol=1e-13)
        assert getattr(residuals, name).dtype == torch.float64


def test_an_exact_solution_has_no_residual_and_a_random_point_has() -> None:
    latents, codebook = hull(50, 8, 40)
    problem = solvers.Problem(latents, codebook, 0.1)
    exact = solvers.solve(problem).residuals
    assert exact.relative.max() < 1e-12
    assert exact.gap.max() < 1e-12
    assert (solvers.kkt_residuals(problem, simplex(50, 40)).relative > 1e-3).all()


def test_gap_bounds_the_objective_and_the_certificates_bound_the_distances() -> None:
    latents, codebook = hull(64, 6, 30)
    problem = solvers.Problem(latents, codebook, 0.1)
    exact = solvers.solve(problem)
    for weights in (
        solvers.solve(problem, "relaxed").weights,
        solvers.solve(problem, "relaxed", projection="exact").weights,
        simplex(64, 30),
        0.9 * exact.weights + 0.1 * simplex(64, 30),
        problem.dense_anchor(),
        exact.weights + 1e-4 * torch.randn(64, 30, dtype=torch.float64),
    ):
        bounds = solvers.kkt_residuals(problem, weights)
        weights_error = (weights - exact.weights).norm(dim=1)
        reconstruction_error = ((weights - exact.weights) @ codebook).norm(dim=1)
        assert (weights_error <= bounds.weights_bound + 1e-12).all()
        assert (reconstruction_error <= bounds.reconstruction_bound + 1e-12).all()
    on_simplex = simplex(64, 30)
    excess = objective(problem, on_simplex) - objective(problem, exact.weights)
    assert (excess <= solvers.kkt_residuals(problem, on_simplex).gap + 1e-12).all()


def test_the_bounds_are_not_vacuous() -> None:
    latents, codebook = hull(64, 6, 30)
    problem = solvers.Problem(latents, codebook, 0.1)
    exact = solvers.solve(problem).weights
    near = solvers.kkt_residuals(problem, 0.999 * exact + 0.001 * simplex(64, 30))
    assert near.reconstruction_bound.max() < 0.05
    assert near.weights_bound.max() < 0.2


def test_columns_that_are_not_finite_have_infinite_residuals() -> None:
    latents, codebook = hull(4, 3, 7)
    latents[1, 0], latents[2, 1] = torch.nan, torch.inf
    problem = solvers.Problem(latents, codebook)
    residuals = solvers.kkt_residuals(problem, problem.dense_anchor())
    for name in ("dual", "complementarity", "gap", "weights_bound", "reconstruction_bound"):
        assert torch.isfinite(getattr(residuals, name)).tolist() == [True, False, False, True]
    assert residuals.margin[[1, 2]].tolist() == [0.0, 0.0]
    assert residuals.relative.isfinite().tolist() == [True, False, False, True]


def test_a_latent_on_a_codeword_is_weakly_active() -> None:
    codebook = torch.eye(4, dtype=torch.float64)
    solution = solvers.solve(solvers.Problem(codebook[:2].clone(), codebook, 0.1))
    assert solution.weakly_active.tolist() == [3, 3]
    assert solution.residuals.margin.abs().max() < 1e-12


def test_margin_of_a_strictly_complementary_solution_is_positive() -> None:
    latents, codebook = hull(32, 4, 12)
    residuals = solvers.solve(solvers.Problem(latents, codebook)).residuals
    assert (residuals.margin > 0).all()
    assert (residuals.weakly_active == 0).all()


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize("wrong", [torch.zeros(4, 6), torch.zeros(3, 7), torch.zeros(4, 7, dtype=torch.long), [[0.0]]])
def test_weights_that_do_not_fit_are_refused(wrong: object) -> None:
    latents, codebook = hull(4, 3, 7)
    with pytest.raises((TypeError, ValueError), match="weights"):
        solvers.kkt_residuals(solvers.Problem(latents, codebook), wrong)


@pytest.mark.timeout(20)
def test_weights_within_rounding_of_the_simplex_are_projected_in_finite_time() -> None:
    """Rounding puts a weight now above, now below the threshold of the projection on the simplex."""
    random = torch.Generator().manual_seed(0)
    for K in (8, 128):
        latents, codebook = hull(500, 2, K)
        weights = torch.rand(500, K, generator=random, dtype=torch.float64) ** 60
        weights /= weights.sum(1, keepdim=True)
        weights += 1e-15 * torch.randn(500, K, generator=random, dtype=torch.float64)
        assert torch.isfinite(solvers.kkt_residuals(solvers.Problem(latents, codebook), weights).weights_bound).all()


def test_no_columns_give_no_residuals() -> None:
    latents, codebook = hull(4, 3, 7)
    residuals = solvers.kkt_residuals(solvers.Problem(latents[:0], codebook), torch.zeros(0, 7, dtype=torch.float64))
    assert residuals.relative.shape == (0,)


@pytest.mark.slow
def test_a_large_certificate_takes_under_a_gigabyte_extra() -> None:
    program = """
import resource, torch
from scq import solvers
N, F, K = 65536, 64, 1024
problem = solvers.Problem(torch.randn(N, F), torch.randn(K, F))
weights = problem.dense_anchor()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
solvers.kkt_residuals(problem, weights)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    kilobytes = int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    assert kilobytes < 1e6
