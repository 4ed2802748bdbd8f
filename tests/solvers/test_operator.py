"""The solve as an operator of graphs, called without a compiler: as torch sees it, and against the layer's own path."""

import pytest
import torch

from scq import solvers
from scq.solvers import certificate as certificates
from scq.solvers import operator
from scq.solvers.certificate import certificate
from scq.solvers.rows import solve_rows, solve_rows_in_graph
from scq.solvers.settings import SolverSettings

K, F, N = 12, 4, 30
INTERIOR_POINT = "interior_point", None, None, None, "{}", "fallback"
masks = pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])


def settings(backend="active_set", gradient=None, **options):
    return SolverSettings(backend, None, None, gradient, options, "fallback")


def problem(masked, dtype=torch.float64):
    latents, codebook = torch.randn(N, F, dtype=dtype), torch.randn(K, F, dtype=dtype)
    latents[3, 1] = torch.nan
    valid = torch.rand(N) > 0.3 if masked else None
    lam = torch.tensor(0.2, dtype=torch.float64)
    return [x.requires_grad_() for x in (latents, codebook, lam)], valid


@masks
@pytest.mark.parametrize("backend", ["active_set", "interior_point", "relaxed", "daqp"])
def test_graphs_and_the_layer_agree_in_values_and_gradients(backend, masked):
    if not solvers.registry.get(backend).available:
        pytest.skip(f"{backend} is not installed")
    inputs, valid = problem(masked)
    up = torch.randn(N, K, dtype=torch.float64), torch.randn(N, F, dtype=torch.float64)
    results = []
    for solve in (solve_rows, solve_rows_in_graph):
        solved = solve(*inputs, valid, settings(backend))
        value = (solved.weights.dense() * up[0]).sum() + (solved.reconstruction * up[1]).sum()
        results.append((solved, torch.autograd.grad(value, inputs)))
    (here, expected), (there, found) = results
    torch.testing.assert_close(there.weights.dense(), here.weights.dense(), atol=1e-9, rtol=0)
    torch.testing.assert_close(there.reconstruction, here.reconstruction)
    assert torch.equal(there.status, here.status) and torch.equal(there.iterations, here.iterations)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)
    assert not found[0][3].any() and found[0].any()


@masks
def test_certificates_agree(masked):
    inputs, valid = problem(masked)
    solved = solve_rows(*inputs, valid, settings("relaxed"))
    found = certificates._certificate(*inputs, solved.anchor, solved.weights.detach().dense(), valid)
    torch.testing.assert_close(found, certificate(*inputs, solved.anchor, solved.weights.detach(), valid))


@masks
def test_torch_finds_the_operator_sound(masked, device):
    """Shapes without data, no aliases, a registered derivative: torch's own check of operators."""
    inputs, valid = problem(masked, torch.float32)
    inputs = [x.detach().to(device).requires_grad_() for x in inputs]
    valid = None if valid is None else valid.to(device)
    torch.library.opcheck(operator._solve, (*inputs, valid, *INTERIOR_POINT))


@masks
def test_torch_finds_the_derivative_sound_of_latents_laid_out_otherwise(masked):
    """A compiler plans memory by these strides. One picture of (1, F, h, w) gives rows with the strides of columns."""
    inputs, valid = problem(masked, torch.float32)
    latents, codebook, lam = [x.detach() for x in inputs]
    latents, codebook = latents.T.contiguous().T, codebook.T.contiguous().T
    weights, *rest = operator._solve(latents, codebook, lam, valid, *INTERIOR_POINT)
    anchor, status, _, sparse = rest
    arguments = torch.randn(N, K), latents, codebook, lam, valid, weights, anchor, status, sparse, "interior_point"
    torch.library.opcheck(operator._solve_backward, arguments, test_utils=("test_schema", "test_faketensor"))


def test_a_derivative_of_a_backends_own_is_left_outside_of_the_graph():
    pytest.importorskip("qpth", reason="qpth is not installed")
    (latents, codebook, lam), _ = problem(False)
    inputs = latents[4:7].detach().requires_grad_(), codebook, lam
    results = [solve(*inputs, None, settings("qpth")).reconstruction for solve in (solve_rows, solve_rows_in_graph)]
    gradients = [torch.autograd.grad(result.square().sum(), inputs) for result in results]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_without_a_gradient_the_weights_are_held_and_the_codebook_moves():
    inputs, _ = problem(False)
    solved = solve_rows_in_graph(*inputs, None, settings("relaxed", gradient="none", steps=7))
    expected = solve_rows(*inputs, None, settings("relaxed", gradient="none", steps=7))
    up = torch.randn(N, F, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad(x.reconstruction, inputs[1], up)[0] for x in (solved, expected))
    assert not solved.weights.values.requires_grad
    torch.testing.assert_close(ours, theirs)


def test_options_cross_into_a_graph_as_they_are():
    options = {"number": 1e-9, "none": None, "yes": True, "inner": {"a": [1, 2.5, "b"], "text": 'a "quoted"\n\\ one'}}
    assert operator._options(operator._json(options)) == options


def test_an_option_that_no_graph_can_hold_is_refused_by_name():
    inputs, _ = problem(False)
    with pytest.raises(TypeError, match="backend_options has values that a graph cannot hold"):
        solve_rows_in_graph(*inputs, None, settings("active_set", steps=torch.ones(2)))


def test_a_second_derivative_of_the_operator_is_refused_and_the_way_out_named():
    inputs, _ = problem(False)
    solved = solve_rows_in_graph(*inputs, None, settings())
    (g,) = torch.autograd.grad(solved.reconstruction[4:].square().sum(), inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match="compiled or exported solve cannot be differentiated again"):
        g.square().sum().backward()
