"""The gap between exact and relaxed, against direct computations."""

import math

import pytest
import torch
from torch.nn.functional import mse_loss

from scq import solvers
from scq.diagnostics import measure_gap
from scq.quantizers import SoftConvexQuantizer

N, K, F = 60, 24, 6


@pytest.fixture
def case():
    torch.manual_seed(0)
    latents, codebook = torch.randn(N, F, dtype=torch.float64), torch.randn(K, F, dtype=torch.float64)
    decoder = torch.nn.Linear(F, 10).double()
    target = torch.randn(N, 10, dtype=torch.float64)
    return latents, codebook, decoder, target


def test_numbers_are_those_of_the_two_solutions(case):
    latents, codebook, _, _ = case
    gap = measure_gap(latents, codebook, 0.1)
    problem = solvers.Problem(latents, codebook, 0.1)
    exact, relaxed = solvers.solve(problem, "active_set"), solvers.solve(problem, "relaxed")
    p, q = exact.weights, relaxed.weights
    assert gap["weights_l1"] == pytest.approx(float((p - q).abs().sum(1).mean()))
    assert gap["weights_l2"] == pytest.approx(float((p - q).norm(dim=1).mean()))
    assert gap["quantization_mse_exact"] == pytest.approx(float(mse_loss(p @ codebook, latents)))
    assert gap["quantization_mse_relaxed"] == pytest.approx(float(mse_loss(q @ codebook, latents)))
    assert gap["kkt_exact"] == pytest.approx(float(exact.residuals.relative.max()))
    assert gap["kkt_relaxed"] == pytest.approx(float(relaxed.residuals.relative.max()))
    assert gap["primal_relaxed"] == pytest.approx(float(relaxed.residuals.primal.max()))
    assert gap["duality_gap_relaxed"] == pytest.approx(float(relaxed.residuals.gap.mean()))
    overlaps = []
    for a, b in zip(p, q, strict=True):
        a, b = set((a > 1e-6).nonzero().flatten().tolist()), set((b > 1e-6).nonzero().flatten().tolist())
        overlaps.append(len(a & b) / len(a | b))
    assert gap["support_overlap"] == pytest.approx(sum(overlaps) / N)
    assert gap["converged_share"] == 1
    assert gap["seconds"] > 0
    assert all(type(value) is float for value in gap.values())


def test_the_gap_is_that_of_the_projection_asked_for(case):
    latents, codebook, _, _ = case
    gap = measure_gap(latents, codebook, 0.1, projection="exact")
    relaxed = solvers.solve(solvers.Problem(latents, codebook, 0.1), "relaxed", projection="exact")
    assert gap["kkt_relaxed"] == pytest.approx(float(relaxed.residuals.relative.max()))
    assert gap["primal_relaxed"] < 1e-12 < measure_gap(latents, codebook, 0.1)["primal_relaxed"]


def test_gap_is_as_large_as_published_here_and_certified(case):
    """Untrained Gaussian codebooks: the relaxation's error is about twice the exact one."""
    latents, codebook, _, _ = case
    gap = measure_gap(latents, codebook, 0.1)
    assert gap["quantization_mse_relaxed"] > 1.2 * gap["quantization_mse_exact"]
    assert gap["kkt_exact"] < 1e-9 < 1e-2 < gap["kkt_relaxed"]
    # The certificate needs no exact solve; here there is one, and it must hold.
    assert gap["weights_l2"] <= gap["certificate_relaxed"] + gap["certificate_exact"]
    assert gap["certificate_exact"] < 1e-4


def test_gradients_are_those_of_the_training_loss(case):
    """Against the layers themselves, trained by the loss of the loop."""
    latents, codebook, decoder, target = case
    gap = measure_gap(
        latents, codebook, 0.1, decode=decoder, target=target, variance=0.7, quantization_weight=0.4, steps=5
    )
    gradients, mses = {}, {}
    for backend, options in (("active_set", {}), ("relaxed", {"steps": 5})):
        layer = SoftConvexQuantizer(K, F, 0.1, backend, quantization_weight=0.4, backend_options=options).double()
        layer.codebook.data.copy_(codebook)
        z = latents.clone().requires_grad_()
        output = layer(z)
        mse = mse_loss(decoder(output.quantized), target)
        (mse / 0.7 + output.loss).backward()
        gradients[backend], mses[backend] = (z.grad.flatten(), layer.codebook.grad.flatten()), float(mse.detach())
    for i, name in enumerate(("latents", "codebook")):
        a, b = gradients["active_set"][i], gradients["relaxed"][i]
        assert gap[f"gradient_{name}_cosine"] == pytest.approx(float(a @ b / (a.norm() * b.norm())))
        assert gap[f"gradient_{name}_ratio"] == pytest.approx(float(b.norm() / a.norm()))
    assert gap["decoded_mse_exact"] == pytest.approx(mses["active_set"])
    assert gap["decoded_mse_relaxed"] == pytest.approx(mses["relaxed"])
    assert gap["decoded_mse_difference"] == pytest.approx(mses["relaxed"] - mses["active_set"])


def test_no_gap_where_the_relaxation_is_exact():
    """Latents at codewords far apart: both solvers give the codeword."""
    codebook = 10 * torch.eye(5, dtype=torch.float64)
    gap = measure_gap(codebook + 0.0, codebook, 0.1)
    assert gap["weights_l1"] == pytest.approx(0, abs=1e-8)
    assert gap["support_overlap"] == 1
    assert gap["kkt_relaxed"] == pytest.approx(0, abs=1e-8)


def test_nothing_is_left_behind(case):
    """The gap is measured inside a training step: parameters must not collect gradients from it."""
    latents, codebook, decoder, target = case
    latents.requires_grad_(), codebook.requires_grad_()
    with torch.no_grad():
        measure_gap(latents, codebook, decode=decoder, target=target, variance=1.0)
    assert latents.grad is None and codebook.grad is None
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_half_precision_latents_and_no_decoder(case):
    latents, codebook, _, _ = case
    gap = measure_gap(latents.bfloat16(), codebook.bfloat16())
    assert all(math.isfinite(value) for value in gap.values())
    assert not any(name.startswith("decoded") for name in gap)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decode": torch.nn.Identity()}, "decode, target and variance must be given together"),
        (
            {"decode": torch.nn.Identity(), "target": torch.zeros(())},
            "decode, target and variance must be given together",
        ),
        ({"backend": "relaxed"}, "backend is 'relaxed', must be exact"),
        ({"backend": "simplex"}, "backend is 'simplex', must be one of"),
        ({"steps": 0}, "steps"),
    ],
)
def test_wrong_arguments_are_refused_by_name(case, options, message):
    with pytest.raises(ValueError, match=message):
        measure_gap(case[0], case[1], **options)
