"""torch.func's transforms of layers: Jacobians, Hessians, per-sample gradients; against plain autograd."""

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import scq
from scq import solvers
from scq.quantizers import SoftConvexQuantizer
from scq.quantizers.scalars import Learned
from scq.solvers import Problem, solve

NAMES = ["vq", "vq_ema", "rotation", "simvq", "fsq", "smoothed_knn_l2", "scq", "scq_relaxed", "scq_annealed"]
K, F = 16, 4

# torch's own, where it compiles the forward-mode derivatives of its operations.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


def made(name: str) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    layer = scq.quantizer(name, K, F).double().eval()
    return layer, dict(layer.named_parameters())


def tensors(output):
    """Transforms return nothing but tensors."""
    return output if output.weights is not None else output._replace(weights=output.loss)


@pytest.mark.parametrize("name", NAMES)
def test_jacobians_backward_and_forward(name: str) -> None:
    layer, _ = made(name)
    x = torch.randn(3, F, dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(lambda y: layer(y).quantized, x)
    assert expected.any()
    for transform in (jacrev, jacfwd):
        torch.testing.assert_close(transform(lambda y: layer(y).quantized)(x), expected)


@pytest.mark.parametrize("name", NAMES)
def test_hessians(name: str) -> None:
    layer, _ = made(name)
    x = torch.randn(3, F, dtype=torch.float64)

    def value(y):
        output = layer(y)
        return output.quantized.square().sum() + output.loss

    torch.testing.assert_close(hessian(value)(x), torch.autograd.functional.hessian(value, x))


@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "vq_ema"])  # it has no parameters
def test_per_sample_gradients(name: str, chunk: int | None) -> None:
    layer, state = made(name)
    x = torch.randn(5, 3, F, dtype=torch.float64)

    def value(parameters, y):
        output = functional_call(layer, parameters, (y,))
        return output.quantized.square().sum() + output.loss

    found = vmap(grad(value), (None, 0), chunk_size=chunk)(state, x)
    for n, sample in enumerate(x):
        expected = torch.autograd.grad(value(state, sample), list(state.values()), materialize_grads=True)
        for name_, gradient in zip(state, expected, strict=True):
            torch.testing.assert_close(found[name_][n], gradient)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_gives_what_a_loop_gives(name: str) -> None:
    """Of all that a layer returns, for latents and codebooks of which each sample has its own."""
    layer, state = made(name)
    x = torch.randn(4, 3, F, dtype=torch.float64)
    many = {
        key: value.detach() + 0.1 * torch.randn(4, *value.shape, dtype=torch.float64) for key, value in state.items()
    }
    found = vmap(lambda p, y: tensors(functional_call(layer, p, (y,))), (0, 0) if many else (None, 0))(many, x)
    for n in range(4):
        expected = functional_call(layer, {key: value[n] for key, value in many.items()}, (x[n],))
        torch.testing.assert_close(found.quantized[n], expected.quantized)
        assert torch.equal(found.indices[n], expected.indices)
        torch.testing.assert_close(found.loss[n], expected.loss)
        if expected.weights is not None:
            torch.testing.assert_close(found.weights[n], expected.weights)
        for key, number in expected.info.items():
            if key != "iterations":
                torch.testing.assert_close(found.info[key].expand(4)[n], number, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("backend", ["active_set", "interior_point"])
def test_a_solve_of_ones_own_with_every_input_mapped(backend: str) -> None:
    z, C = torch.randn(3, 5, F, dtype=torch.float64), torch.randn(3, K, F, dtype=torch.float64)
    lam, a = torch.rand(3, dtype=torch.float64) + 0.1, torch.randn(3, 5, K, dtype=torch.float64).softmax(-1)

    def value(z, C, lam, a):
        solution = solve(Problem(z, C, lam, a), backend)
        return (solution.weights.square().sum() + solution.reconstruction.exp().sum()) * (solution.status == 0).sum()

    found = vmap(grad(value, (0, 1, 2, 3)))(z, C, lam, a)
    for n in range(3):
        inputs = [x[n].clone().requires_grad_() for x in (z, C, lam, a)]
        expected = torch.autograd.grad(value(*inputs), inputs)
        for x, y in zip(found, expected, strict=True):
            torch.testing.assert_close(x[n], y, rtol=1e-5, atol=1e-7)


def test_a_learned_lam_by_jvp_and_vjp() -> None:
    layer = SoftConvexQuantizer(K, F, lam=Learned(0.1)).double()
    x, one = torch.randn(3, F, dtype=torch.float64), torch.ones((), dtype=torch.float64)
    a = layer.lam.logarithm.detach()

    def function(a):
        return functional_call(layer, {"assignment.lam.logarithm": a}, (x,)).quantized

    tangent = jvp(function, (a,), (one,))[1]
    upstream = torch.randn_like(tangent)
    (cotangent,) = vjp(function, a)[1](upstream)
    torch.testing.assert_close((tangent * upstream).sum(), cotangent)
    expected = torch.autograd.functional.jacobian(function, a)
    torch.testing.assert_close(tangent, expected)


@pytest.mark.parametrize("name", ["vq", "scq", "scq_relaxed"])
def test_masks_of_which_each_sample_has_its_own(name: str) -> None:
    layer, _ = made(name)
    x = torch.randn(4, 6, F, dtype=torch.float64)
    x[0, 1] = torch.nan
    mask = torch.rand(4, 6) > 0.4
    mask[0, 1] = False

    def value(y, m):
        output = layer(y, m)
        return output.quantized.square().sum() + output.loss, tensors(output)

    gradient, found = vmap(grad(value, has_aux=True))(x, mask)
    for n in range(4):
        y = x[n].clone().requires_grad_()
        expected, output = value(y, mask[n])
        torch.testing.assert_close(gradient[n], torch.autograd.grad(expected, y)[0])
        torch.testing.assert_close(found.quantized[n], output.quantized)
        if name != "vq":
            assert not found.info["failed_columns"].any()


def test_the_costly_numbers_of_the_log_too() -> None:
    layer, _ = made("scq")
    layer.diagnose = True
    x = torch.randn(4, 6, F, dtype=torch.float64)
    found = vmap(lambda y: layer(y).info)(x)
    expected = [layer(y).info for y in x]
    for name in ("kkt_relative", "duality_gap", "margin"):
        torch.testing.assert_close(found[name], torch.stack([e[name] for e in expected]), rtol=1e-3, atol=1e-9)
    assert found["kkt_relative"].amax() < 1e-8


def test_a_latent_that_is_not_finite_fails_alone() -> None:
    layer, _ = made("scq")
    x = torch.randn(4, 3, F, dtype=torch.float64)
    x[2, 1] = torch.nan

    def value(y):
        output = layer(y)
        return output.quantized.square().sum() + output.loss, output.info["failed_columns"]

    gradient, failed = vmap(grad(value, has_aux=True))(x)
    assert failed.tolist() == [0, 0, 1, 0]
    assert torch.isfinite(gradient).all() and not gradient[2, 1].any() and gradient[2, 0].all()


def test_failures_are_raised_and_warned_of_below_vmap() -> None:
    x = torch.randn(4, 3, F)
    x[2, 1] = torch.nan
    layer = SoftConvexQuantizer(K, F, on_failure="warn")
    with pytest.warns(RuntimeWarning, match="1 of 3 latents were not solved"):
        vmap(lambda y: layer(y).quantized)(x)
    layer.on_failure = "raise"
    with pytest.raises(solvers.SolveError, match="Not finite"):
        vmap(lambda y: layer(y).quantized)(x)


def test_half_precision_keeps_its_dtype() -> None:
    layer = SoftConvexQuantizer(K, F).half()
    found = vmap(lambda y: layer(y).quantized)(torch.randn(2, 3, F).half())
    assert found.dtype == torch.float16 and torch.isfinite(found).all()


def test_wrong_inputs_are_refused_by_name_below_vmap() -> None:
    C = torch.randn(2, K, F)
    C[1, 3] = torch.nan
    with pytest.raises(ValueError, match="codebook has NaN or infinity in codeword 3"):
        vmap(lambda c: solve(Problem(torch.zeros(1, F), c)).weights)(C)
    with pytest.raises(ValueError, match="lam is -1"):
        vmap(lambda lam: solve(Problem(torch.zeros(1, F), C[0], lam)).weights)(torch.tensor([1.0, -1.0]))


def test_what_no_transform_sees_through_is_refused_by_name() -> None:
    problem = torch.randn(3, F), torch.randn(K, F)
    with pytest.raises(RuntimeError, match="history=True"):
        jacrev(lambda z: solve(Problem(z, problem[1]), "interior_point", history=True).weights)(problem[0])


@pytest.mark.parametrize("backend", ["cvxpylayers", "moreau", "proxqp", "qpth"])
def test_a_peers_own_derivative_is_refused_and_the_implicit_one_named(backend: str) -> None:
    if not solvers.registry.get(backend).available:
        pytest.skip(f"{backend} is not installed")
    z, C = torch.randn(3, F, dtype=torch.float64), torch.randn(K, F, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=f"{backend}.*implicit"):
        jacrev(lambda z: solve(Problem(z, C), backend, gradient="native").weights)(z)
    found = jacrev(lambda z: solve(Problem(z, C), backend, gradient="implicit").weights)(z)
    torch.testing.assert_close(found, jacrev(lambda z: solve(Problem(z, C)).weights)(z), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vq_ema", "gumbel", "scq_annealed"])
def test_state_that_moves_is_refused_and_the_way_out_named(name: str) -> None:
    layer, x = scq.quantizer(name, K, F), torch.randn(3, F)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    with pytest.raises(RuntimeError, match=r"eval\(\) or freeze\(\)"):
        jacrev(lambda y: layer(y).quantized)(x)
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())
    layer.eval()
    jacrev(lambda y: layer(y).quantized)(x)


def test_a_k_means_start_is_refused_until_it_is_done() -> None:
    layer, x = SoftConvexQuantizer(K, F, init="kmeans"), torch.randn(40, F)
    with pytest.raises(RuntimeError, match="k-means start"):
        jacrev(lambda y: layer(y).quantized)(x[:3])
    layer(x)
    assert jacrev(lambda y: layer(y).quantized)(x[:3]).any()
