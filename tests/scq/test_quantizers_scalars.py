"""lam on a schedule and learned: values, gradients, saving, freezing."""

import copy

import pytest
import torch

from scq.quantizers import SoftConvexQuantizer, quantizer
from scq.quantizers.scalars import Geometric, Learned

K, F = 12, 4
backends = pytest.mark.parametrize("backend", ["active_set", "interior_point", "relaxed"])


@backends
def test_a_schedule_counts_training_steps_alone(backend, device):
    layer = SoftConvexQuantizer(K, F, lam=Geometric(0.1, 10.0, steps=2), backend=backend).to(device)
    used, now = [], []
    for step in range(5):
        now.append(float(layer.lam))
        used.append(float(layer.train(step != 1)(torch.randn(5, F, device=device)).info["lam"]))
    assert used == now == pytest.approx([0.1, 1.0, 1.0, 10.0, 10.0])


@backends
def test_a_step_of_a_schedule_is_one_of_that_lam(backend):
    x = torch.randn(20, F)
    layer = SoftConvexQuantizer(K, F, lam=Geometric(0.1, 10.0, steps=2), backend=backend)
    layer(x)
    fixed = SoftConvexQuantizer(K, F, lam=1.0, backend=backend)
    fixed.load_state_dict({name: value for name, value in layer.state_dict().items() if "lam" not in name})
    torch.testing.assert_close(layer.eval()(x).weights, fixed(x).weights)


def test_a_number_takes_the_place_of_a_schedule():
    layer, x = SoftConvexQuantizer(K, F, lam=Geometric(0.1, 10.0, steps=2)), torch.randn(20, F)
    layer.lam = 0.5
    fixed = SoftConvexQuantizer(K, F, lam=0.5)
    fixed.load_state_dict(layer.state_dict())  # which has nothing left of the schedule
    assert layer.lam == 0.5 and torch.equal(layer(x).weights, fixed(x).weights)


@pytest.mark.parametrize("before", [0.5, Geometric(0.1, 10.0, steps=2)], ids=["a number", "a schedule"])
def test_a_learned_number_takes_the_place_of_another(before):
    layer = SoftConvexQuantizer(K, F, lam=before)
    layer.lam = Learned(0.3)
    assert float(layer.lam) == pytest.approx(0.3)
    assert set(layer.state_dict()) == set(SoftConvexQuantizer(K, F, lam=Learned(0.3)).state_dict())
    layer(torch.randn(20, F)).quantized.square().sum().backward()
    assert layer.assignment.lam.logarithm.grad != 0


@backends
def test_gradient_of_a_learned_lam_agrees_with_finite_differences(backend):
    layer = SoftConvexQuantizer(K, F, lam=Learned(0.3), backend=backend, tol=None if backend == "relaxed" else 1e-12)
    layer = layer.double()
    x, upstream = torch.randn(6, F, dtype=torch.float64), torch.randn(6, F, dtype=torch.float64)

    def loss(logarithm):
        output = torch.func.functional_call(layer, {"assignment.lam.logarithm": logarithm}, (x,))
        return (output.quantized * upstream).sum() + output.loss

    logarithm = layer.lam.logarithm.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (logarithm,), eps=1e-6, atol=1e-7, rtol=1e-4)
    (gradient,) = torch.autograd.grad(loss(logarithm), logarithm)
    assert abs(gradient) > 1e-3


def test_a_learned_lam_stays_positive_whatever_the_optimiser_does():
    layer = SoftConvexQuantizer(K, F, lam=Learned(0.1))
    optimizer = torch.optim.SGD(layer.parameters(), lr=50.0)
    for _ in range(5):
        output = layer(torch.randn(20, F))
        optimizer.zero_grad()
        (1e-3 * (output.quantized.square().sum() + output.loss)).backward()
        layer.codebook.grad = None
        optimizer.step()
        assert float(layer.lam) > 0
    assert float(layer.lam) != pytest.approx(0.1, rel=1e-3)


def test_hard_error_falls_as_lam_rises():
    """Annealing leads to a hard code: what decoding the argmax alone loses goes, and the weights reach the vertices."""
    x = torch.randn(200, F)
    layer = quantizer("scq_annealed", K, F, lam=0.1, lam_end=1000.0, anneal_steps=4)
    nearest = torch.cdist(x, layer.codebook).argmin(1)
    errors, losses, agreement = [], [], []
    for _ in range(5):
        with torch.no_grad():
            output = layer(x)
        hard = layer.decode(output.indices).detach()
        errors.append(float((hard - x).square().mean()))
        losses.append(float((hard - output.quantized).square().mean()))
        agreement.append(float((output.indices == nearest).double().mean()))
    assert sorted(errors, reverse=True) == errors and errors[0] > 1.05 * errors[-1]
    assert sorted(losses, reverse=True) == losses and losses[-1] < 1e-3 * losses[0]
    assert agreement[-1] == 1.0


@pytest.mark.parametrize("make", [lambda: Geometric(0.1, 10.0, steps=7), lambda: Learned(0.2)], ids=["rise", "learned"])
def test_state_dict_round_trip(make):
    layer, other = (SoftConvexQuantizer(K, F, lam=make()) for _ in range(2))
    optimizer, x = torch.optim.Adam(layer.parameters(), lr=0.1), torch.randn(20, F)
    for _ in range(3):
        layer(x).quantized.square().sum().backward()
        optimizer.step()
    assert float(layer.lam) != float(other.lam)
    other.load_state_dict(layer.state_dict())
    assert float(layer.lam) == float(other.lam)
    assert torch.equal(layer.eval()(x).quantized, other.eval()(x).quantized)
    assert float(copy.deepcopy(layer).lam) == float(layer.lam)


def test_a_state_dict_from_before_schedules_loads_into_a_layer_of_fixed_lam():
    state = {"codebook": torch.randn(K, F), "codebook_initialized": torch.tensor(True)}
    layer = SoftConvexQuantizer(K, F)
    layer.load_state_dict(state)
    assert torch.equal(layer.codebook, state["codebook"]) and layer.codebook_initialized


@pytest.mark.parametrize("make", [lambda: Geometric(0.1, 10.0, steps=7), lambda: Learned(0.2)], ids=["rise", "learned"])
def test_a_frozen_layer_makes_the_same_of_the_same_latents(make):
    layer, x = SoftConvexQuantizer(K, F, lam=make()), torch.randn(20, F)
    layer.freeze()
    before = layer(x).quantized.detach()
    latents = x.clone().requires_grad_()
    output = layer(latents)
    output.quantized.square().sum().backward()
    assert latents.grad.any() and all(parameter.grad is None for parameter in layer.parameters())
    assert torch.equal(layer(x).quantized, before)
    layer.freeze(False)
    layer(x).quantized.square().sum().backward()
    assert all(parameter.grad.any() for parameter in layer.parameters())


def test_gumbel_keeps_its_temperature_when_it_is_frozen():
    layer = quantizer("gumbel", K, F, anneal_steps=3)
    layer.freeze()
    layer(torch.randn(5, F))
    assert float(layer.assignment.temperature) == 1.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Geometric(0.0, 1.0, steps=3), ValueError, "start is 0.0, must be finite and > 0"),
        (lambda: Geometric(0.1, float("inf"), steps=3), ValueError, "end is inf, must be finite and > 0"),
        (lambda: Geometric(0.1, 1.0, steps=0), ValueError, "steps is 0, must be at least 1"),
        (lambda: Learned(-1.0), ValueError, "start is -1.0, must be finite and > 0"),
        (lambda: SoftConvexQuantizer(K, F, lam="0.1"), TypeError, "lam is '0.1', must be a number"),
        (lambda: quantizer("scq_annealed", K, F, lam=-0.1), ValueError, "lam is -0.1, must be finite and > 0"),
        (lambda: quantizer("scq_annealed", K, F, lam_end=0.0), ValueError, "lam_end is 0.0, must be finite and > 0"),
        (lambda: quantizer("scq_annealed", K, F, anneal_steps=0), ValueError, "anneal_steps is 0, must be at least 1"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_wrong_arguments_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()
