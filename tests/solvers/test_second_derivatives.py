"""Derivatives of the derivative: right against finite differences, or refused with the way out."""

import pytest
import torch

from scq import SoftConvexQuantizer, solvers
from scq.solvers import Problem, solve
from scq.solvers.closed_form import weights_on_support
from scq.solvers.support import Support

N, F, K = 4, 3, 6
dense_too = pytest.mark.parametrize(
    "dense", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["nearest", "dense"]
)
backends = pytest.mark.parametrize("backend", ["active_set", "interior_point"])


def problem(lam: float, dense: bool) -> tuple[torch.Tensor, ...]:
    inputs = [
        torch.randn(N, F, dtype=torch.float64),
        torch.randn(K, F, dtype=torch.float64),
        torch.tensor(lam).double(),
    ]
    if dense:
        inputs.append(torch.randn(N, K, dtype=torch.float64))
    return tuple(x.requires_grad_() for x in inputs)


def solved(latents, codebook, lam, logits=None, backend="active_set"):
    anchor = None if logits is None else logits.softmax(1)
    solution = solve(Problem(latents, codebook, lam, anchor), backend, tol=1e-12 if backend == "active_set" else 1e-9)
    return solution.weights, solution.reconstruction


def central(function, x, step=1e-5):
    """The derivative of each entry of function(x) with respect to each of x, x's behind."""
    rows = []
    for i in range(x.numel()):
        shift = torch.zeros(x.numel(), dtype=x.dtype).index_fill_(0, torch.tensor(i), step).view_as(x)
        rows.append((function(x.detach() + shift) - function(x.detach() - shift)) / (2 * step))
    return torch.stack(rows, -1).detach()


@backends
@dense_too
@pytest.mark.parametrize("lam", [0.02, 0.3])
def test_second_derivatives_agree_with_finite_differences(lam: float, dense: bool, backend: str) -> None:
    inputs = problem(lam, dense)
    weights, _ = solved(*inputs, backend=backend)
    assert (weights > 1e-3).sum(1).amax() > 2
    up = torch.randn(N, K, dtype=torch.float64), torch.randn(N, F, dtype=torch.float64)

    def first(*inputs):
        value = sum((x * u).sum() for x, u in zip(solved(*inputs, backend=backend), up, strict=True))
        return torch.autograd.grad(value, inputs, create_graph=True)

    probe = [torch.randn_like(x) for x in inputs]
    scalar = sum((g * p).sum() for g, p in zip(first(*inputs), probe, strict=True))
    for number, (x, found) in enumerate(zip(inputs, torch.autograd.grad(scalar, inputs), strict=True)):

        def along(moved, number=number):
            changed = [moved.requires_grad_() if i == number else y for i, y in enumerate(inputs)]
            return sum((g * p).sum() for g, p in zip(first(*changed), probe, strict=True))

        assert found.any()
        torch.testing.assert_close(found.flatten(), central(along, x).flatten(), rtol=1e-4, atol=1e-5)


@dense_too
def test_gradgradcheck(dense: bool) -> None:
    assert torch.autograd.gradgradcheck(solved, problem(0.1, dense), atol=1e-5, rtol=1e-4)


def test_third_derivatives_agree_with_finite_differences() -> None:
    latents, codebook, lam = problem(0.1, dense=False)

    def second(lam):
        (first,) = torch.autograd.grad(solved(latents, codebook, lam)[1].square().sum(), lam, create_graph=True)
        return torch.autograd.grad(first, lam, create_graph=True)[0]

    (third,) = torch.autograd.grad(second(lam), lam)
    torch.testing.assert_close(third, central(lambda x: second(x.requires_grad_()), lam)[0], rtol=1e-5, atol=1e-6)


@backends
def test_a_recorded_first_derivative_is_the_plain_one(backend: str) -> None:
    """Also where one input is made of another: its part is counted once."""
    x = torch.randn(K, F, dtype=torch.float64, requires_grad=True)
    lam = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)

    def value():
        weights, reconstruction = solved(x[:N].sin(), x, lam * x.square().mean(), backend=backend)
        return (weights.square().sum() + reconstruction.exp().sum()) * 1.5

    plain, recorded = (torch.autograd.grad(value(), (x, lam), create_graph=create) for create in (False, True))
    torch.testing.assert_close(recorded, plain)


def test_second_derivatives_in_float32_are_those_of_float64() -> None:
    latents, codebook = torch.randn(20, 4), torch.randn(12, 4)

    def penalty(dtype):
        z, C = latents.to(dtype).requires_grad_(), codebook.to(dtype).requires_grad_()
        (g,) = torch.autograd.grad(solve(Problem(z, C)).reconstruction.square().sum(), z, create_graph=True)
        return torch.autograd.grad(g.square().sum(), (z, C))

    for found, expected in zip(penalty(torch.float32), penalty(torch.float64), strict=True):
        assert (found.double() - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("lam_learned", [False, True])
def test_a_gradient_penalty_on_the_input_of_a_layer(lam_learned: bool) -> None:
    """As WGAN-GP has it: (|dL/dx| - 1)^2, whose derivative moves the codebook, lam and what comes before."""
    from scq.quantizers.scalars import Learned

    layer = SoftConvexQuantizer(K, F, lam=Learned(0.1) if lam_learned else 0.1, tol=1e-12).double()
    x = torch.randn(5, F, dtype=torch.float64)

    def penalty(x, parameters):
        x = x if x.requires_grad else x.requires_grad_()
        output = torch.func.functional_call(layer, parameters, (x,))
        (g,) = torch.autograd.grad(output.quantized.square().sum() + output.loss, x, create_graph=True)
        return (g.norm(dim=1) - 1).square().sum()

    parameters = {name: p.detach().clone().requires_grad_() for name, p in layer.named_parameters()}
    x.requires_grad_()
    found = torch.autograd.grad(penalty(x, parameters), (x, *parameters.values()))
    torch.testing.assert_close(found[0].flatten(), central(lambda y: penalty(y, parameters), x), rtol=1e-5, atol=1e-6)
    for (name, p), gradient in zip(parameters.items(), found[1:], strict=True):
        expected = central(lambda q, name=name: penalty(x.detach(), {**parameters, name: q}), p)
        torch.testing.assert_close(gradient.flatten(), expected, rtol=1e-5, atol=1e-6)


@backends
def test_derivatives_of_many_directions_at_once(backend: str) -> None:
    """vmap over a backward pass whose forward pass was plain."""
    latents, codebook, lam = problem(0.1, dense=False)

    def function(z):
        return solved(z, codebook, lam, backend=backend)[1]

    one, many = (torch.autograd.functional.jacobian(function, latents, vectorize=v) for v in (False, True))
    torch.testing.assert_close(many, one)
    one, many = (
        torch.autograd.functional.hessian(lambda z: function(z).square().sum(), latents, vectorize=v)
        for v in (False, True)
    )
    torch.testing.assert_close(many, one)


def test_a_failed_column_has_no_derivative_of_any_order_and_spoils_no_other() -> None:
    latents, codebook, lam = problem(0.1, dense=False)
    with torch.no_grad():
        latents[1] = torch.nan
    good = torch.tensor([0, 2, 3])

    def penalty(z, throw):
        reconstruction = solve(Problem(z, codebook, lam), throw=throw).reconstruction
        (g,) = torch.autograd.grad(reconstruction.square().sum(), z, create_graph=True)
        return g, torch.autograd.grad(g.square().sum() + 0 * g.sum(), (codebook, lam))

    g, second = penalty(latents, False)
    assert not g[1].any()
    expected_g, expected = penalty(latents.detach()[good].requires_grad_(), True)
    torch.testing.assert_close(g[good], expected_g)
    torch.testing.assert_close(second, expected)


@backends
@pytest.mark.parametrize("create_graph", [False, True])
def test_what_stands_in_for_a_failed_column_is_a_constant(backend: str, create_graph: bool) -> None:
    """Its anchor's codeword would otherwise follow a latent that is NaN."""
    latents, codebook, lam = problem(0.1, dense=False)
    with torch.no_grad():
        latents[1] = torch.nan
    reconstruction = solve(Problem(latents, codebook, lam), backend, throw=False).reconstruction
    found = torch.autograd.grad(reconstruction[1].sum(), (latents, codebook, lam), create_graph=create_graph)
    assert not any(x.any() for x in found)


def test_no_latents_have_derivatives_too() -> None:
    latents = torch.zeros(0, F, dtype=torch.float64, requires_grad=True)
    codebook = torch.randn(K, F, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(solve(Problem(latents, codebook)).reconstruction.sum(), codebook, create_graph=True)
    assert not g.any()


@pytest.mark.parametrize("backend", ["cvxpylayers", "moreau", "proxqp", "qpth"])
def test_a_peers_own_derivative_is_differentiated_once(backend: str) -> None:
    if not solvers.registry.get(backend).available:
        pytest.skip(f"{backend} is not installed")
    latents, codebook, lam = problem(0.1, dense=False)
    solution = solve(Problem(latents, codebook, lam), backend, gradient="native")
    (g,) = torch.autograd.grad(solution.reconstruction.square().sum(), latents, create_graph=True)
    with pytest.raises(RuntimeError, match=f"{backend}.*implicit"):
        torch.autograd.grad(g.square().sum(), codebook)


def test_second_derivatives_of_the_relaxation_agree_with_finite_differences() -> None:
    def relaxed(*inputs):
        return solve(Problem(*inputs), "relaxed").reconstruction

    assert torch.autograd.gradgradcheck(relaxed, problem(0.3, dense=False), atol=1e-5, rtol=1e-4)


@backends
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_and_reconstruction_may_be_changed_in_place(dtype: torch.dtype, backend: str) -> None:
    codebook = torch.randn(K, F, dtype=dtype)
    x = torch.randn(N, F, dtype=dtype)
    found = []
    for in_place in (False, True):
        z = x.clone().requires_grad_()
        solution = solve(Problem(z, codebook), backend)
        weights, reconstruction = solution.weights, solution.reconstruction
        if in_place:
            weights += 1
            torch.relu_(reconstruction)
        else:
            weights, reconstruction = weights + 1, torch.relu(reconstruction)
        (weights.square().sum() + reconstruction.exp().sum()).backward()
        found.append(z.grad)
    torch.testing.assert_close(*found)


def test_the_closed_form_is_exact_from_any_weights_of_that_support() -> None:
    """Not only near the solution, so that nothing of the solver's rounding is in its derivatives."""
    latents, codebook, lam = (x.detach() for x in problem(0.1, dense=False))
    solution = solve(Problem(latents, codebook, lam), tol=1e-12)
    values, index = solution.compact.values, solution.compact.index
    support = Support(index, values > 0)
    uniform = torch.where(support.valid, 1.0 / support.valid.sum(1, keepdim=True).double(), 0.0)
    found = weights_on_support(latents, codebook, lam, solution.problem.anchor, support, uniform)
    torch.testing.assert_close(found, values, atol=1e-11, rtol=0)
