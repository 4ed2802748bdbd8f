"""lam far below what float64 resolves: a column has a derivative that is right, or has failed with none."""

import pytest
import torch

from scq import SoftConvexQuantizer, solvers
from scq.quantizers.scalars import Learned
from scq.solvers import Problem, Status, implicit, solve
from scq.solvers.attempt import normalise
from scq.solvers.rows import solve_rows_in_graph
from scq.solvers.settings import SolverSettings

TINY = [1e-13, 1e-16, 5e-324]
TRIANGLE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
SQUARE = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
paths = pytest.mark.parametrize("path", ["compiled", "tensors", "recorded"])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@pytest.fixture
def derivative(path, monkeypatch):
    """The same by each of the ways that there are."""
    if path == "tensors":
        monkeypatch.setattr(implicit, "_pull_back_for", lambda *_: implicit.pull_back_by_tensors)

    def take(value, inputs):
        return torch.autograd.grad(value, inputs, create_graph=path == "recorded", retain_graph=True)

    return take


@paths
@dtypes
@pytest.mark.parametrize("lam", TINY)
def test_every_column_has_a_right_derivative_or_has_failed_with_none(lam, dtype, derivative) -> None:
    """At lam near 0 the reconstruction is the projection on the hull, and its derivative in z an orthogonal projection,
    on the span of the face that the support spans: symmetric, and its own square."""
    z, C = (torch.randn(n, 4, dtype=dtype, requires_grad=True) for n in (48, 16))
    solution = solve(Problem(z, C, lam=lam), max_iter=200, throw=False)
    rows = [derivative(solution.reconstruction[:, i].sum(), (z, C)) for i in range(4)]
    J = torch.stack([row for row, _ in rows], 1).double()
    assert all(torch.isfinite(of_codebook).all() for _, of_codebook in rows)
    assert not J[solution.failed].any()
    good = J[solution.converged]
    assert len(good) > 24
    torch.testing.assert_close(good, good.mT, atol=1e-3, rtol=0)
    torch.testing.assert_close(good @ good, good, atol=1e-3, rtol=0)
    rank = good.diagonal(dim1=1, dim2=2).sum(1)
    support = (solution.weights[solution.converged] > 1e-6).sum(1)
    torch.testing.assert_close(rank, (support - 1).clamp_max(4).double(), atol=1e-2, rtol=0)


def test_some_columns_are_found_singular_and_say_what_to_do() -> None:
    found = []
    for _ in range(3):
        problem = Problem(torch.randn(64, 4), torch.randn(16, 4), lam=1e-13)
        solution = solve(problem, max_iter=200, throw=False)
        singular = solution.status == Status.SINGULAR
        found.append(int(singular.sum()))
        torch.testing.assert_close(solution.weights[singular], problem.dense_anchor()[singular])
        # Of the weights nothing is wrong.
        assert solve(problem, max_iter=200, throw=False, gradient="none").converged[singular].all()
    assert sum(found) > 0
    assert "lam" in Status.SINGULAR.message and Status.SINGULAR.is_failure
    with pytest.raises(solvers.SolveError, match="Singular"):
        solve(problem, max_iter=200)


@paths
@pytest.mark.parametrize("lam", TINY)
def test_affinely_independent_codewords_need_no_lam(lam, derivative) -> None:
    """Within a triangle the reconstruction is the latent itself, beyond its side the projection on that."""
    z = torch.tensor([[0.1, 0.2], [0.4, -0.2]], dtype=torch.float32, requires_grad=True)
    solution = solve(Problem(z, TRIANGLE.float(), lam))
    rows = [derivative(solution.reconstruction[:, i].sum(), z)[0] for i in range(2)]
    expected = torch.stack([torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, 0.0]])])
    torch.testing.assert_close(torch.stack(rows, 1), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("codebook", "lam", "expected"), [(TRIANGLE, 0.0, False), (SQUARE, 1e-15, True), (SQUARE, 1e-6, False)]
)
def test_what_is_singular_is_told_by_the_support_not_by_lam_alone(codebook, lam, expected) -> None:
    K = len(codebook)
    z, weights = codebook.mean(0)[None], torch.full((1, K), 1 / K, dtype=torch.float64)
    index = torch.arange(K)[None]
    instance = normalise(Problem(z, codebook, max(lam, 1e-300)), torch.float64, centred=True)
    assert implicit.unresolved(instance, solvers.weights.Weights(weights, index, K)).tolist() == [expected]


@dtypes
@pytest.mark.parametrize("in_graph", [False, True], ids=["layer", "operator"])
def test_a_layer_counts_them_as_failed(dtype, in_graph) -> None:
    torch.manual_seed(1)
    layer = SoftConvexQuantizer(16, 4, lam=1e-13, max_iter=200).to(dtype)
    z = torch.randn(512, 4, dtype=dtype, requires_grad=True)
    expected = solve(Problem(z, layer.codebook, 1e-13), max_iter=200, throw=False).failed
    assert expected.any()
    if in_graph:
        settings = SolverSettings("active_set", None, 200, None, {}, "fallback")
        solved = solve_rows_in_graph(z, layer.codebook, 1e-13, None, settings)
        assert torch.equal(solved.failed, expected)
        value = solved.reconstruction.square().sum()
    else:
        output = layer(z)
        assert int(output.info["failed_columns"]) == int(expected.sum())
        value = output.quantized.square().sum() + output.loss
        with torch.no_grad():
            torch.testing.assert_close(layer(z).quantized, output.quantized)
    value.backward()
    assert torch.isfinite(z.grad).all() and not z.grad[expected].any() and z.grad[~expected].any()
    assert torch.isfinite(layer.codebook.grad).all()


def test_a_learned_lam_stays_above_its_bound_and_comes_back() -> None:
    lam = Learned(0.1)
    optimizer = torch.optim.SGD(lam.parameters(), lr=1e3)
    for _ in range(200):
        optimizer.zero_grad()
        lam().backward()
        optimizer.step()
    assert float(lam) >= 1e-8
    with torch.no_grad():
        lam.logarithm.fill_(-1e4)
    assert float(lam) == 1e-8
    with torch.no_grad():
        lam.logarithm.fill_(-15.0)
    low = float(lam)
    optimizer = torch.optim.Adam(lam.parameters(), lr=0.1)
    for _ in range(50):
        optimizer.zero_grad()
        (-lam()).backward()
        optimizer.step()
    assert float(lam) > 10 * low


def test_a_learned_lam_starts_where_it_is_told() -> None:
    assert float(Learned(0.1)) == pytest.approx(0.1, rel=1e-6)
    assert float(Learned(2e-8)) == pytest.approx(2e-8, rel=1e-6)
    with pytest.raises(ValueError, match="start is 1e-08, must be > 1e-08"):
        Learned(1e-8)
