import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import scq.validation.comparison.measuring.reference
from scq import solvers
from scq.validation.comparison.measuring.families import ProblemSpec
from scq.validation.comparison.measuring.reference import Reference, UncertifiedError


def test_weights_agree_with_a_general_optimiser() -> None:
    problem = ProblemSpec("random", 3, 4, 6, "float64", 0.3, 0).make()
    Z, C, A = problem.latents.numpy(), problem.codebook.numpy(), problem.dense_anchor().numpy()
    for n, weights in enumerate(Reference(problem).weights.numpy()):
        answer = minimize(
            lambda p, n=n: 0.5 * np.sum((p @ C - Z[n]) ** 2) + 0.15 * np.sum((p - A[n]) ** 2),
            np.full(6, 1 / 6),
            jac=lambda p, n=n: C @ (p @ C - Z[n]) + 0.3 * (p - A[n]),
            bounds=[(0, None)] * 6,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": np.ones_like},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )
        np.testing.assert_allclose(weights, answer.x, atol=1e-6)


def test_gradients_agree_with_finite_differences() -> None:
    problem = ProblemSpec("hull", 4, 3, 6, "float64", 0.1, 1).make()
    cotangent = torch.randn(4, 3, dtype=torch.float64)
    d_latents, d_codebook = Reference(problem).gradients(cotangent)
    step = 1e-6

    def loss(latents: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
        weights = Reference(solvers.Problem(latents, codebook, 0.1, problem.anchor)).weights
        return (cotangent * (weights @ codebook)).sum()

    for tensor, gradient, at in ((0, d_latents, (2, 1)), (1, d_codebook, (3, 0)), (1, d_codebook, (0, 2))):
        shifted = []
        for sign in (1, -1):
            inputs = [problem.latents.clone(), problem.codebook.clone()]
            inputs[tensor][at] += sign * step
            shifted.append(loss(*inputs))
        numeric = (shifted[0] - shifted[1]) / (2 * step)
        torch.testing.assert_close(gradient[at], numeric, rtol=1e-6, atol=1e-8)


def test_errors_of_a_shifted_answer_are_the_shift() -> None:
    problem = ProblemSpec("random", 6, 4, 9, "float64", 0.1, 0).make()
    reference = Reference(problem)
    cotangent = torch.randn(6, 4, dtype=torch.float64)
    d_latents, d_codebook = reference.gradients(cotangent)
    wrong = reference.weights.clone()
    wrong[:, 0] += torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 9.0], dtype=torch.float64)
    good = torch.tensor([True] * 5 + [False])
    errors = reference.errors(wrong, (d_latents * 1.5, d_codebook), cotangent, good)
    assert errors.weights_error_max == pytest.approx(0.5)
    assert errors.weights_error_median == pytest.approx(0.3)
    assert errors.latents_gradient_error == pytest.approx(0.5)
    assert errors.codebook_gradient_error == 0


def test_a_reference_that_is_not_certified_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scq.validation.comparison.measuring.reference, "CERTIFIED", 1e-30)
    with pytest.raises(UncertifiedError, match="relative KKT residual"):
        Reference(ProblemSpec("random", 6, 4, 9, "float64", 0.1, 0).make())
