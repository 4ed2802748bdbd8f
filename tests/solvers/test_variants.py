"""The peers as their own users run them: reached by name, unchecked, and as inaccurate as is known of them."""

import math
import warnings

import pytest
import torch

from scq import solvers
from scq.solvers.errors import OptionError
from scq.solvers.registry import get
from scq.solvers.synthetic import hull

N, F, K = 8, 16, 64
VARIANTS = [(info.name, name) for info in solvers.backends() for name in info.variants]
EXPECTED = {
    ("cvxpylayers", "its defaults"): ((1e-6, 1e-2), (1e-3, 1.0)),
    ("cvxpylayers", "with Moreau"): ((0.1, 2.0), (0.1, 10.0)),
    ("qpth", "Q passed once"): ((0.0, 1e-6), (0.1, 10.0)),
    ("qpth", "in float32"): ((1e-9, 1e-2), (1e-6, 2.0)),
    ("daqp", "its defaults"): ((0.0, 1e-5), (0.0, 1e-5)),
    ("clarabel", "its defaults"): ((1e-9, 1e-2), (1e-9, 1e-2)),
    ("proxqp", "its defaults"): ((1e-10, 1e-6), (1e-8, 1e-3)),
    ("moreau", "its defaults"): ((0.0, 1e-5), (0.0, 1e-5)),
}
"""Within which the errors of the weights (absolute) and of dL/dC (relative) lie, smallest and largest."""


def solved(backend: str, **options: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and the codebook's gradient of a fixed function of the reconstruction."""
    latents, codebook = hull(N, F, K)
    latents, codebook = latents.requires_grad_(), codebook.requires_grad_()
    solution = solvers.solve(solvers.Problem(latents, codebook, 0.1), backend, **options)
    factors = torch.randn(N, F, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return solution.weights.detach(), torch.autograd.grad((solution.reconstruction * factors).sum(), codebook)[0]


def test_every_variant_is_looked_at() -> None:
    assert set(VARIANTS) == set(EXPECTED)


@pytest.mark.parametrize(("backend", "variant"), VARIANTS)
def test_a_variant_is_as_wrong_as_its_users_find_it(backend: str, variant: str) -> None:
    info = get(backend)
    if not info.available:
        pytest.skip(str(info.why_not))
    exact, gradient = solved("active_set")
    with warnings.catch_warnings():
        # Moreau warns of the solver that "auto" means.
        warnings.filterwarnings("ignore", message="solver='auto' resolved", category=UserWarning)
        weights, found = solved(backend, tol=math.inf, **info.variants[variant])
    of_weights, of_gradient = EXPECTED[backend, variant]
    assert of_weights[0] <= float((weights - exact).norm(dim=1).max()) <= of_weights[1]
    assert of_gradient[0] <= float((found - gradient).norm() / gradient.norm()) <= of_gradient[1]


@pytest.mark.parametrize("backend", [info.name for info in solvers.backends() if info.follow_tol])
def test_a_tolerance_that_is_followed_makes_the_answer_looser_and_still_certified(backend: str) -> None:
    info = get(backend)
    if not info.available:
        pytest.skip(str(info.why_not))
    problem = solvers.Problem(*hull(N, F, K), 0.1)
    tight, loose = (
        solvers.solve(problem, backend, tol=1e-4, gradient="none", **options).residuals.relative.max()
        for options in ({}, info.follow_tol)
    )
    assert tight < 1e-9 < loose <= 1e-4


def test_a_problem_handed_over_as_given_has_the_same_solution() -> None:
    latents, codebook = hull(N, F, K)
    seen = []

    def spy(problem, *, tol, max_iter=None):
        seen.append(problem)
        return get("interior_point").load()(problem, tol=tol, max_iter=max_iter)

    solvers.register(solvers.BackendInfo("spy", "", spy, accuracy={"float32": 1e-5, "float64": 1e-9}))
    try:
        problem = solvers.Problem(latents, codebook + 1.0, 0.1)
        centred, raw = (solvers.solve(problem, "spy", as_given=as_given).weights for as_given in (False, True))
    finally:
        solvers.unregister("spy")
    torch.testing.assert_close(centred, raw, rtol=0, atol=1e-9)
    assert torch.equal(seen[1].codebook, codebook + 1.0)
    assert float(seen[0].codebook.mean(0).abs().max()) < 1e-12


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("cvxpylayers", {"solver": "OSQP"}, "solver is 'OSQP', must be one of: DIFFCP, MOREAU"),
        ("cvxpylayers", {"solver": "MOREAU"}, "solver is 'MOREAU', which needs solver_args"),
        ("qpth", {"dtype": "float16"}, "dtype is 'float16', must be 'float32' or 'float64'"),
        ("moreau", {"solver": "ipm"}, "solver is 'ipm', must be 'active_set' or 'auto'"),
        ("moreau", {"solver": "auto", "settings": {"primal_tol": 1e-6}}, "settings are those of the active set"),
    ],
)
def test_wrong_options_are_refused_by_name(backend: str, options: dict[str, object], message: str) -> None:
    if not get(backend).available:
        pytest.skip(str(get(backend).why_not))
    with pytest.raises(OptionError, match=message):
        solvers.solve(solvers.Problem(*hull(2, 3, 4)), backend, **options)
