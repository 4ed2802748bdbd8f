"""Columns in lockstep: as exact as the kernel of single columns, each undisturbed by its neighbours, at every width."""

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from scq import solvers
from scq.solvers import attempt, compiled
from scq.solvers.compiled import batch
from scq.solvers.instance import Instance
from scq.solvers.synthetic import hull

pytestmark = pytest.mark.skipif(not compiled.usable(), reason="Numba cannot compile here")

TOL = 1e-5


def instance(latents: Tensor, codebook: Tensor, lam: float = 0.1, anchor: Tensor | None = None) -> Instance:
    problem = solvers.Problem(latents, codebook, lam, anchor)
    return attempt.normalise(problem, latents.dtype, centred=True).detach()


def in_lockstep(problem: Instance, limit: int = 1000) -> batch.Found:
    limits = torch.full((len(problem.latents),), limit, dtype=torch.long)
    return batch._solve(problem, TOL, limits, batch._in_lockstep)


def in_float64(problem: Instance) -> Tensor:
    """By the other kernel."""
    problem = problem.to(torch.float64)
    limits = torch.full((len(problem.latents),), 1000, dtype=torch.long)
    weights, _, residual, _ = batch._solve(problem, 1e-10, limits, batch._by_columns)
    assert residual.max() < 1e-10
    return weights.dense()


def bound_of(problem: Instance, weights: Tensor) -> Tensor:
    """How far the weights can be from the exact ones, by the certificate, which shares no code with any kernel."""
    whole = problem.to(torch.float64)
    residuals = solvers.kkt_residuals(solvers.Problem(whole.latents, whole.codebook, whole.lam, whole.anchor), weights)
    return residuals.weights_bound


SIZES = [(1, 2, 5), (37, 1, 3), (100, 3, 20), (257, 8, 64), (1000, 16, 128), (333, 16, 512), (64, 5, 31), (64, 7, 33)]


@pytest.mark.parametrize(("n", "f", "k"), SIZES)
@pytest.mark.parametrize("lam", [0.01, 0.1, 10.0])
def test_weights_are_those_of_float64(n: int, f: int, k: int, lam: float) -> None:
    problem = instance(*hull(n, f, k, dtype=torch.float32), lam)
    weights, _, residual, close = in_lockstep(problem)
    expected = in_float64(problem)
    held = residual <= TOL
    assert held.double().mean() > 0.95
    torch.testing.assert_close(weights.dense().sum(1), torch.ones(n, dtype=torch.float64), rtol=0, atol=1e-12)
    clear = held & ~close
    distance = (weights.dense() - expected).norm(dim=1)
    assert (distance <= bound_of(problem, weights.dense()) + 1e-9)[clear].all()
    assert torch.equal(weights.dense()[clear] > 0, expected[clear] > 0)


def test_anchors_far_away_leave_the_support_and_come_back() -> None:
    latents, codebook = hull(200, 8, 64, dtype=torch.float32)
    anchor = torch.cdist(latents, codebook).argmax(1)
    problem = instance(latents, codebook, 0.1, anchor)
    weights, _, residual, close = in_lockstep(problem)
    assert (weights.dense().gather(1, anchor[:, None]) == 0).any()
    assert residual.max() <= TOL
    distance = (weights.dense() - in_float64(problem)).norm(dim=1)
    assert (distance <= bound_of(problem, weights.dense()) + 1e-9)[~close].all()


def test_a_column_that_breaks_down_disturbs_no_other() -> None:
    latents, codebook = hull(160, 8, 64, dtype=torch.float32)
    whole = instance(latents, codebook)
    broken = whole.latents.clone()
    broken[::7] = torch.nan
    weights, _, residual, _ = in_lockstep(
        Instance(broken, whole.codebook, whole.lam, whole.anchor, whole.floor, whole.scale)
    )
    expected = in_lockstep(whole)[0].dense()
    fine = torch.arange(160) % 7 != 0
    assert not (residual[~fine] <= TOL).any()
    assert residual[fine].max() <= TOL
    torch.testing.assert_close(weights.dense()[fine], expected[fine], rtol=0, atol=2e-6)


def test_supports_that_outgrow_the_slots_are_left_and_solved_by_the_other_kernel() -> None:
    """Equal codewords share a weight, so that sixteen of each make supports large."""
    latents, few = hull(100, 8, 20, dtype=torch.float32)
    problem = instance(latents, few.repeat(16, 1), 1.0)
    lost = in_lockstep(problem)[2].isinf()
    assert lost.double().mean() > 1 / batch._MANY
    limits = torch.full((100,), 1000, dtype=torch.long)
    weights, _, residual, _ = batch.solve_compiled(problem, TOL, limits)
    assert residual.isinf().sum() < lost.sum()
    assert (weights.values > 0).sum(1).max() > batch.SLOTS
    solution = solvers.solve(solvers.Problem(latents, few.repeat(16, 1), 1.0))
    assert (solution.status == solvers.Status.SOLVED).all()
    assert solution.residuals.relative.max() <= TOL


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_codewords_enter_than_are_allowed(limit: int) -> None:
    problem = instance(*hull(100, 16, 128, dtype=torch.float32))
    weights, steps, residual, _ = in_lockstep(problem, limit)
    assert steps.max() == limit
    # Unfinished ones say so, and are points of the simplex.
    assert residual.max() > TOL
    dense = weights.dense()
    assert dense.min() >= 0
    torch.testing.assert_close(dense.sum(1), torch.ones(100, dtype=torch.float64), rtol=0, atol=1e-12)


def test_small_supports_in_float32_go_in_lockstep_and_others_do_not() -> None:
    small = instance(*hull(64, 16, 128, dtype=torch.float32))
    assert batch._few(small)
    assert not batch._few(small.to(torch.float64))
    assert not batch._few(instance(*hull(64, 64, 128, dtype=torch.float32)))
    assert not batch._few(instance(*hull(4, 16, 128, dtype=torch.float32)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processor", "features"),
    [("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,+lzcnt,+popcnt,+sse4.2"), ("x86-64", "+sse2")],
    ids=["eight lanes", "four lanes"],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="processors of another kind")
def test_narrower_vectors_give_the_same(processor: str, features: str) -> None:
    code = (
        "import torch; from scq import solvers; from scq.solvers.synthetic import hull\n"
        "s = solvers.solve(solvers.Problem(*hull(200, 16, 128, dtype=torch.float32), 0.1))\n"
        "assert s.residuals.relative.max() < 1e-5, s.residuals.relative.max()\n"
        "print(float(s.weights.square().sum()))"
    )
    environment = os.environ | {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    expected = solvers.solve(solvers.Problem(*hull(200, 16, 128, dtype=torch.float32), 0.1)).weights.square().sum()
    assert float(done.stdout) == pytest.approx(float(expected), rel=1e-6)
