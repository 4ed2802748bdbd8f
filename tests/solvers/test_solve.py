"""What solve promises around every backend: arguments checked, failures confined, gradients chosen."""

from dataclasses import replace

import pytest
import torch

from scq import solvers
from scq.solvers import Problem, Status, solve
from scq.solvers.instance import Instance, Result
from scq.solvers.registry import get
from scq.solvers.synthetic import hull


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"problem": "x"}, TypeError, ["problem", "str"]),
        ({"tol": 0.0}, ValueError, ["tol", "0.0", "> 0"]),
        ({"tol": float("nan")}, ValueError, ["tol", "nan"]),
        ({"max_iter": 0}, ValueError, ["max_iter", "0", ">= 1"]),
        ({"max_iter": 2.5}, ValueError, ["max_iter", "2.5", "integer"]),
        ({"gradient": "exact"}, ValueError, ["gradient", "'exact'", "implicit, none"]),
        ({"gradient": "native"}, ValueError, ["gradient", "'native'", "active_set", "implicit, none"]),
        ({"steps": 3}, TypeError, ["'steps'", "active_set", "none"]),
        ({"backend": "interior_point", "steps": 3}, TypeError, ["'steps'", "interior_point", "history"]),
        ({"backend": "relaxed", "steps": 0}, ValueError, ["steps", "0", ">= 1"]),
        ({"backend": "relaxed", "projection": "sort"}, ValueError, ["projection", "'sort'", "'alternating'"]),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict, error: type, words: list) -> None:
    with pytest.raises(error) as caught:
        solve(**{"problem": Problem(*hull(3, 2, 5)), **arguments})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_out_of_iterations_is_a_status_and_raises_with_the_solution_attached() -> None:
    problem = Problem(*hull(6, 8, 40))
    solution = solve(problem, max_iter=1, throw=False)
    assert (solution.status == Status.MAX_ITER).all()
    assert solution.iterations.tolist() == [1] * 6
    torch.testing.assert_close(solution.weights, problem.dense_anchor())
    with pytest.raises(solvers.SolveError, match="6 of 6 columns.*Out of iterations") as caught:
        solve(problem, max_iter=1)
    assert (caught.value.solution.status == Status.MAX_ITER).all()


@pytest.mark.parametrize("gradient", ["implicit", "native", "none"])
def test_a_backend_that_raises_for_a_batch_fails_only_the_column_to_blame(gradient: str) -> None:
    """Column 3 makes the whole batch raise; the others must come out as if it were not there."""

    def run(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
        if (problem.latents[:, 0] > 5).any():
            raise RuntimeError("column too far")
        return get("relaxed").load()(problem, tol=tol, max_iter=max_iter, projection="exact")

    entry = replace(get("relaxed"), name="fragile", run=run, gradient=("native", "implicit"), title="Fragile")
    solvers.register(entry)
    try:
        latents, codebook = hull(8, 3, 6)
        latents[3, 0] = 9.0
        results = []
        for rows in (torch.arange(8), torch.tensor([0, 1, 2, 4, 5, 6, 7])):
            z, c = latents[rows].clone().requires_grad_(), codebook.clone().requires_grad_()
            solution = solve(Problem(z, c), "fragile", throw=False, gradient=gradient)
            if gradient != "none":
                solution.weights.square().sum().backward()
            results.append((solution, z.grad, c.grad))
        (bad, bad_z, bad_c), (good, good_z, good_c) = results
    finally:
        solvers.unregister("fragile")
    keep = torch.tensor([0, 1, 2, 4, 5, 6, 7])
    assert bad.status.tolist() == [1, 1, 1, 5, 1, 1, 1, 1]
    assert bad.errors == {3: "RuntimeError: column too far"}
    torch.testing.assert_close(bad.weights[keep], good.weights)
    if gradient != "none":
        assert (bad_z[3] == 0).all()
        torch.testing.assert_close(bad_z[keep], good_z)
        torch.testing.assert_close(bad_c, good_c)


def test_no_gradient_is_attached_when_none_is_asked_for_or_recorded() -> None:
    latents, codebook = hull(3, 2, 5)
    latents.requires_grad_()
    assert not solve(Problem(latents, codebook), gradient="none").weights.requires_grad
    with torch.no_grad():
        assert not solve(Problem(latents, codebook)).weights.requires_grad
    assert solve(Problem(latents, codebook)).weights.requires_grad
    assert solve(Problem(latents, codebook)).reconstruction.requires_grad


def test_history_shows_convergence_and_ends_at_the_solution() -> None:
    problem = Problem(*hull(20, 4, 16))
    solution = solve(problem, "interior_point", history=True)
    assert solution.history.relative.shape[1] == 20
    assert (solution.history.relative[0] > 1e-4).any()
    torch.testing.assert_close(solution.history.relative[-1], solution.residuals.relative)
    assert (solution.history.gap[-1] <= solution.history.gap[0] + 1e-12).all()


def test_every_status_says_what_happened_and_failures_what_to_do() -> None:
    assert [status.value for status in Status] == list(range(7))
    for status in Status:
        assert len(status.message) > 20
        if status.is_failure:
            assert any(word in status.message for word in ("Raise", "Look", "Tighten", "Try"))


def test_the_repr_counts_statuses() -> None:
    assert "status={'SOLVED': 3}" in repr(solve(Problem(*hull(3, 2, 5))))


@pytest.mark.parametrize("backend", ["active_set", "interior_point", "relaxed"])
def test_gradients_are_the_same_bit_for_bit_in_every_run(backend: str) -> None:
    latents, codebook = hull(8192, 16, 64, torch.float32)
    codebook.requires_grad_()
    gradients = []
    for _ in range(3):
        solution = solve(Problem(latents, codebook), backend)
        gradients += torch.autograd.grad(solution.reconstruction.square().sum(), codebook)
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])
