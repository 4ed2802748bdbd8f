"""The compiled path of ``active_set`` against its tensor path, and what only that backend promises."""

import subprocess
import sys

import pytest
import torch
from threads import torch_threads

from scq import solvers
from scq.solvers import Problem, Status
from scq.solvers.attempt import normalise
from scq.solvers.implicit import pull_back_by_tensors
from scq.solvers.instance import Instance
from scq.solvers.methods.active_set import solve_by_tensors
from scq.solvers.synthetic import hull

SIZES = [(40, 1, 1), (40, 3, 2), (40, 16, 128), (40, 33, 60), (20, 64, 512), (10, 512, 100), (10, 200, 700)]
"""N, F, K: with fewer codewords than features, and numbers that are no multiple of a vector."""


def instance(problem: Problem) -> Instance:
    return normalise(problem, problem.latents.dtype, centred=True).detach()


@pytest.mark.parametrize(("N", "F", "K"), SIZES)
@pytest.mark.parametrize("lam", [1e-6, 0.1, 1e4])
@pytest.mark.parametrize("rounds_at_once", [1, 4], ids=["host", "device"])
def test_compiled_and_tensor_path_agree(N: int, F: int, K: int, lam: float, rounds_at_once: int) -> None:
    problem = Problem(*hull(N, F, K), lam)
    limit = torch.full((N,), 1000)
    weights, rounds, residual = solve_by_tensors(instance(problem), 1e-9, limit, rounds_at_once)
    assert (rounds <= limit).all()
    assert (residual <= 1e-9).all()
    compiled = solvers.solve(problem)
    assert compiled.residuals.relative.amax() <= 1e-9
    # Each is as near to the exact weights as its own certificate says.
    bound = compiled.residuals.weights_bound + solvers.kkt_residuals(problem, weights).weights_bound
    assert ((compiled.weights - weights.dense()).norm(dim=1) <= bound + 1e-12).all()


@pytest.mark.parametrize(("N", "F", "K"), SIZES[2:])
def test_float32_and_float64_agree_to_the_weights_bound(N: int, F: int, K: int) -> None:
    latents, codebook = hull(N, F, K, torch.float32)
    narrow = solvers.solve(Problem(latents, codebook, 0.1))
    wide = solvers.solve(Problem(latents.double(), codebook.double(), 0.1))
    distance = (narrow.weights - wide.weights).norm(dim=1)
    assert (distance <= narrow.residuals.weights_bound + 1e-9).all()
    assert distance.amax() <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("what", ["values", "combined", "both"])
def test_compiled_and_tensor_derivatives_agree(dtype: torch.dtype, what: str) -> None:
    problem = Problem(*hull(300, 20, 150, dtype), 0.1)
    compact = solvers.solve(problem).compact
    from scq.solvers.compiled.backward import pull_back

    one = instance(problem)
    active = compact.values > 1e-9
    active[7] = False
    d_values = torch.randn_like(compact.values) if what != "combined" else None
    d_combined = torch.randn_like(problem.latents) if what != "values" else None
    arguments = one.latents, one.codebook, one.lam, one.anchor, compact.index, compact.values, active
    found = pull_back(*arguments, d_values, d_combined)
    wanted = pull_back_by_tensors(*arguments, d_values, d_combined)[:3]
    for x, y in zip(found, wanted, strict=True):
        torch.testing.assert_close(
            x, y, rtol=1e-4 if dtype == torch.float32 else 1e-9, atol=1e-5 * float(y.abs().amax())
        )
    assert not found[0][7].any()


@pytest.mark.parametrize("K", [65_536, 262_144])
def test_large_codebooks_are_solved_and_certified_over_all_codewords(K: int) -> None:
    problem = Problem(*hull(12, 8, K, torch.float32), 0.1)
    solution = solvers.solve(problem)
    assert solution.compact.values.shape[1] < 64
    assert solution.residuals.relative.amax() <= 1e-5
    nearest = torch.cdist(problem.latents.double(), problem.codebook.double()).argmin(1)
    assert torch.equal(problem.anchor, nearest)


def test_more_equal_worst_codewords_than_candidates_are_solved() -> None:
    """All of 300 copies violate optimality alike; the solution spreads over all of them."""
    codebook = torch.zeros(310, 4, dtype=torch.float64)
    codebook[:10] = torch.randn(10, 4, dtype=torch.float64)
    codebook[10:] = torch.tensor([5.0, 0.0, 0.0, 0.0])
    latents = torch.tensor([[4.0, 0.0, 0.0, 0.0], [5.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    anchor = torch.tensor([0, 1])
    solution = solvers.solve(Problem(latents, codebook, 0.1, anchor))
    assert solution.residuals.relative.amax() <= 1e-9
    copies = solution.weights[:, 10:]
    torch.testing.assert_close(copies, copies[:, :1].expand_as(copies))
    assert (copies > 0).all()


@pytest.mark.parametrize("limit", [1, 2, 5, 9])
def test_a_column_out_of_steps_says_so_and_holds_its_anchor(limit: int) -> None:
    problem = Problem(*hull(50, 16, 128), 0.1)
    solution = solvers.solve(problem, max_iter=limit, throw=False)
    out = solution.status == Status.MAX_ITER
    assert out.any()
    assert (solution.iterations <= limit).all()
    assert torch.equal(solution.weights[out], problem.dense_anchor()[out])
    assert (solution.residuals.relative[~out] <= 1e-9).all()


def test_every_step_lowers_the_objective_so_that_no_support_returns() -> None:
    """On a grid, ties and degenerate faces abound: the classic place for an active-set method to cycle."""
    codebook = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)] * 4)
    latents = torch.cartesian_prod(*[torch.tensor([-0.5, 0.0, 0.5], dtype=torch.float64)] * 4)
    solution = solvers.solve(Problem(latents, codebook, 1e-6))
    assert solution.residuals.relative.amax() <= 1e-9
    assert int(solution.iterations.max()) < 200


def test_a_residual_on_the_support_counts_however_small_the_weight() -> None:
    """Codewords of 3e3 at lam 2e-3: the support's matrix is nearly singular, and solving leaves g uneven on it."""
    codebook = torch.tensor([[-652.307], [3162.278], [-652.307], [-652.307], [3162.278]], dtype=torch.float64)
    latents = torch.tensor([[3162.25], [-63.38], [-652.302], [3136.3]], dtype=torch.float64)
    solution = solvers.solve(Problem(latents, codebook, 1.8e-3), throw=False)
    # 1e-9, and what rounding of products of such codewords may add.
    assert (solution.residuals.relative[solution.converged] <= 1e-7).all()


def test_any_number_of_threads_gives_the_same_weights() -> None:
    problem = Problem(*hull(700, 16, 128, torch.float32), 0.1)
    weights = []
    for count in (1, 3):
        with torch_threads(count):
            weights.append(solvers.solve(problem).weights)
    assert torch.equal(*weights)


def test_weights_are_built_only_when_asked_for() -> None:
    latents, codebook = (x.requires_grad_() for x in hull(30, 16, 128))
    solution = solvers.solve(Problem(latents, codebook, 0.1))
    solution.reconstruction.sum().backward()
    assert solution.residuals.relative.amax() <= 1e-9
    assert "weights" not in vars(solution)
    compact = solution.compact
    assert compact.values.shape == compact.index.shape
    assert compact.values.shape[1] < 40
    torch.testing.assert_close(solution.weights.sum(0), compact.mass())
    torch.testing.assert_close(solution.weights @ codebook, solution.reconstruction)
    assert torch.equal(solution.weights.argmax(1), compact.largest()[1])


@pytest.mark.slow
def test_65536_codewords_need_little_memory_and_few_passes_over_them() -> None:
    """In a process of its own, so that memory kept by an allocator is not used again unseen."""
    code = """
import torch
from scq import solvers
from scq.solvers.synthetic import hull
from scq.validation.common.measuring.memory import PeakMemory
latents, codebook = hull(8192, 8, 512, torch.float32)
codebook = 0.3 * torch.randn(65536, 8, generator=torch.Generator().manual_seed(0))
solvers.solve(solvers.Problem(latents[:8], codebook, 0.1))
with PeakMemory() as memory:
    solution = solvers.solve(solvers.Problem(latents, codebook, 0.1))
assert bool(solution.converged.all())
print(memory.grown)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="tests/helpers")
    assert int(run.stdout) < 2 * 2**30
