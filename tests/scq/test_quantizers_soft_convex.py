"""Soft convex quantization as a layer: its programme, its loss, its failures, its numbers."""

import pytest
import torch

from scq import solvers
from scq.quantizers import SoftConvexQuantizer
from scq.solvers.weights import Weights

K, F = 12, 4
KKT = ("kkt_primal", "kkt_dual", "kkt_complementarity", "kkt_relative")


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return SoftConvexQuantizer(K, F).double()


def test_weights_solve_the_programme(layer):
    """The certificate shares no code with the layer's solver."""
    x = torch.randn(50, F, dtype=torch.float64)
    output = layer(x)
    residuals = solvers.kkt_residuals(solvers.Problem(x, layer.codebook.detach(), 0.1), output.weights.detach())
    assert residuals.relative.max() < 1e-9
    torch.testing.assert_close(output.quantized, output.weights @ layer.codebook)


def test_gradients_agree_with_finite_differences(layer):
    x = torch.randn(6, F, dtype=torch.float64, requires_grad=True)

    def of(x, codebook):
        with torch.no_grad():
            layer.codebook.copy_(codebook)
        output = torch.func.functional_call(layer, {"embedding.codewords": codebook}, (x,))
        return output.quantized, output.loss

    codebook = layer.codebook.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(of, (x, codebook), eps=1e-6, atol=1e-5)


def test_large_lam_is_vector_quantization(layer):
    layer.lam = 1e6
    x = torch.randn(30, F, dtype=torch.float64)
    output = layer(x)
    nearest = torch.cdist(x, layer.codebook).argmin(1)
    assert torch.equal(output.indices, nearest)
    torch.testing.assert_close(output.quantized, layer.codebook[nearest], atol=1e-4, rtol=0)


def test_quantization_loss_is_weighted_and_symmetric(layer):
    x = torch.randn(30, F, dtype=torch.float64, requires_grad=True)
    output = layer(x)
    torch.testing.assert_close(output.loss, (output.quantized - x).square().mean())
    once = torch.autograd.grad(output.loss, (x, layer.codebook))
    layer.quantization_weight = 3.0
    thrice = torch.autograd.grad(layer(x).loss, (x, layer.codebook))
    for a, b in zip(once, thrice, strict=True):
        assert a.abs().sum() > 0
        torch.testing.assert_close(3 * a, b)


def test_a_bad_latent_changes_no_other(layer):
    x = torch.randn(20, F, dtype=torch.float64)
    spoiled = x.clone()
    spoiled[3, 1], spoiled[7, 0] = torch.nan, torch.inf
    good = torch.ones(20, dtype=torch.bool)
    good[[3, 7]] = False

    def run(latents):
        latents.requires_grad_()
        layer.zero_grad()
        output = layer(latents)
        (output.quantized[good].square().sum() + 20 * output.loss).backward()
        return output, latents.grad, layer.codebook.grad.clone()

    output, grad, codebook_grad = run(spoiled)
    assert output.loss.isfinite()
    assert float(output.info["converged_share"]) == pytest.approx(18 / 20)
    torch.testing.assert_close(output.quantized[3], layer.codebook[output.indices[3]])
    assert not grad[~good].any()

    # The same batch without the two columns; the loss is a mean over 20 there and over 18 here.
    latents = x[good].requires_grad_()
    layer.zero_grad()
    clean = layer(latents)
    (clean.quantized.square().sum() + 18 * clean.loss).backward()
    torch.testing.assert_close(output.quantized[good], clean.quantized)
    torch.testing.assert_close(grad[good], latents.grad)
    torch.testing.assert_close(codebook_grad, layer.codebook.grad)


def test_columns_out_of_iterations_fall_back_and_are_counted(layer):
    layer.backend_options, layer.max_iter, layer.tol = {}, 1, 1e-14
    x = torch.randn(40, F, dtype=torch.float64, requires_grad=True)
    output = layer(x)
    share = float(output.info["converged_share"])
    assert share < 1
    failed = solvers.solve(
        solvers.Problem(x.detach(), layer.codebook.detach()), max_iter=1, tol=1e-14, throw=False
    ).failed
    assert share == pytest.approx(1 - float(failed.double().mean()))
    nearest = torch.cdist(x, layer.codebook).argmin(1)
    assert torch.equal(output.indices[failed], nearest[failed])
    output.loss.backward()
    assert not x.grad[failed].any()


@pytest.mark.parametrize("masked", [False, True])
def test_failures_are_counted_warned_of_or_raised(layer, masked):
    x = torch.randn(20, F, dtype=torch.float64)
    x[3, 1] = x[7, 0] = x[9, 2] = torch.nan
    mask = torch.arange(20) != 9 if masked else None
    failed = 2 if masked else 3
    assert int(layer(x, mask).info["failed_columns"]) == failed
    layer.on_failure = "warn"
    with pytest.warns(RuntimeWarning, match=rf"{failed} of {19 if masked else 20} latents were not solved"):
        layer(x, mask)
    layer.on_failure = "raise"
    with pytest.raises(solvers.SolveError, match="Not finite") as caught:
        layer(x, mask)
    assert int(caught.value.solution.failed.sum()) == failed
    # Nothing failed: no warning, which would be an error here, and nothing raised.
    for layer.on_failure in ("warn", "raise"):
        assert int(layer(torch.randn(20, F, dtype=torch.float64)).info["failed_columns"]) == 0


def test_an_approximation_is_no_failure():
    layer = SoftConvexQuantizer(K, F, backend="relaxed", on_failure="raise")
    assert int(layer(torch.randn(20, F)).info["failed_columns"]) == 0


def test_kkt_numbers_come_only_when_asked_for(layer):
    x = torch.randn(20, F, dtype=torch.float64)
    assert not any(name.startswith("kkt") for name in layer(x).info)
    layer.diagnose = True
    info = layer(x).info
    assert {*KKT, "duality_gap", "margin", "weakly_active_share"} <= info.keys()
    assert float(info["kkt_relative"]) < 1e-9


def test_kkt_numbers_of_a_large_batch_come_from_a_sample_spread_through_it(monkeypatch):
    """Their cost must stay a small part of a training step."""
    torch.manual_seed(0)
    layer = SoftConvexQuantizer(K, F, backend="relaxed")
    layer.diagnose = True
    seen = []
    measure = solvers.kkt_residuals
    at = "scq.solvers.certificate.kkt_residuals"
    monkeypatch.setattr(at, lambda p, w: seen.append((p, w)) or measure(p, w))
    x = torch.randn(2500, F)
    output = layer(x)
    (problem, weights), *others = seen
    assert not others and problem.shape[0] == 500
    everything = measure(solvers.Problem(x, layer.codebook.detach(), 0.1), output.weights.detach())
    assert torch.equal(weights.dense(), output.weights[::5])
    torch.testing.assert_close(output.info["kkt_relative"], everything.relative[::5].amax())
    torch.testing.assert_close(output.info["duality_gap"], everything.gap[::5].mean())


def test_no_dense_weights_are_made_unless_they_are_asked_for(monkeypatch):
    """At K = 262,144 they would be the largest array of a training step by far."""
    layer = SoftConvexQuantizer(300, F, return_weights=False)
    layer.diagnose = True
    made = []
    dense = Weights.dense
    monkeypatch.setattr(Weights, "dense", lambda self: made.append(self.values.shape[0]) or dense(self))
    output = layer(torch.randn(1500, F))
    (output.quantized.square().sum() + output.loss).backward()
    assert output.weights is None
    assert max(made) < 500, "the certificate of a sample goes a chunk at a time"
    assert layer.codebook.grad.any()


def test_relaxation_reports_that_it_is_not_exact():
    torch.manual_seed(0)
    layer = SoftConvexQuantizer(K, F, backend="relaxed")
    layer.diagnose = True
    info = layer(torch.randn(50, F)).info
    assert float(info["kkt_relative"]) > 1e-2
    assert float(info["duality_gap"]) > 0
    assert float(info["converged_share"]) == 0


def test_info_matches_the_weights(layer):
    output = layer(torch.randn(60, F, dtype=torch.float64))
    weights = output.weights.detach()
    mean = weights.mean(0)
    soft = torch.exp(-(mean[mean > 0] * mean[mean > 0].log()).sum())
    share = torch.bincount(output.indices, minlength=K).double() / 60
    hard = torch.exp(-(share[share > 0] * share[share > 0].log()).sum())
    assert float(output.info["soft_perplexity"]) == pytest.approx(float(soft))
    assert float(output.info["hard_perplexity"]) == pytest.approx(float(hard))
    assert int(output.info["active_codes"]) == int((share > 0).sum())
    assert float(output.info["support_size"]) == pytest.approx(float((weights > 1e-6).sum(1).double().mean()))
    assert float(output.info["largest_weight"]) == pytest.approx(float(weights.amax(1).mean()))


def test_weights_can_be_left_out(layer):
    layer.return_weights = False
    assert layer(torch.randn(5, F, dtype=torch.float64)).weights is None


def test_unknown_backend_option_is_refused_by_name():
    layer = SoftConvexQuantizer(K, F, backend="relaxed", backend_options={"stepz": 3})
    with pytest.raises(TypeError, match="stepz"):
        layer(torch.randn(5, F))


def test_a_codebook_that_diverged_is_an_error_not_a_fallback(layer):
    with torch.no_grad():
        layer.codebook[2, 1] = torch.nan
    with pytest.raises(ValueError, match="codebook has NaN"):
        layer(torch.randn(5, F, dtype=torch.float64))


def test_gradient_can_be_turned_off():
    torch.manual_seed(0)
    layer = SoftConvexQuantizer(K, F, gradient="none")
    output = layer(torch.randn(5, F, requires_grad=True))
    assert output.weights is not None and not output.weights.requires_grad
