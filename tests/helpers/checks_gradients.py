"""Conformance: derivatives, each kind that an entry offers."""

from dataclasses import replace

import numpy as np
import torch
from conformance import (
    as_numpy,
    assert_same_derivative,
    check,
    draw,
    functional,
    gradient_tolerance,
    gradients,
    solve,
    tolerance,
)
from oracles import central_differences, enumerate_supports

from scq.solvers import BackendInfo, Problem

BOTH = ("implicit", "native")


@check(exact_only=True, gradients=BOTH)
def gradient_is_that_of_the_oracle(info: BackendInfo, device: torch.device, kind: str) -> None:
    """Latents, codebook, lam and a dense anchor, against central differences of the brute-force solution."""
    for F, K in ((2, 5), (4, 3)):
        case = draw(4, F, K, 0.2, dense=True)
        factors = functional(4, K).numpy()

        def loss(latents: np.ndarray, codebook: np.ndarray, lam: np.ndarray, anchor: np.ndarray) -> float:
            return (factors * enumerate_supports(latents, codebook, float(lam), anchor)).sum()  # noqa: B023

        arrays = {"latents": case.z, "codebook": case.C, "lam": np.array(case.lam), "anchor": case.a}
        expected = central_differences(loss, arrays)
        found = gradients(info, case.tensors(device), gradient=kind)
        for name, derivative in expected.items():
            assert_same_derivative(found[name], derivative, gradient_tolerance(info))
    # The anchors that are codeword numbers are constants.
    assert "anchor" not in gradients(info, draw(2, 2, 3).tensors(device), gradient=kind)


@check(gradients=BOTH)
def gradcheck_passes(info: BackendInfo, device: torch.device, kind: str) -> None:
    """The derivative is that of the backend's own weights. The step leaves noise of the solve room to stay small."""
    case = draw(2, 2, 4, 0.3, dense=True)
    tensors = case.tensors(device)

    def weights(*arguments: torch.Tensor) -> torch.Tensor:
        return solve(info, Problem(*arguments), gradient=kind).weights

    step = 1e-4 if info.exact else 1e-6
    share = max(gradient_tolerance(info), 10 * step**2)
    assert torch.autograd.gradcheck(weights, tuple(tensors.values()), eps=step, atol=share, rtol=share)


@check(gradients=BOTH)
def codebook_gradient_is_the_sum_over_the_batch(info: BackendInfo, device: torch.device, kind: str) -> None:
    case = draw(5, 3, 6)
    factors = functional(5, 6).to(device)
    batch = case.tensors(device)
    (solve(info, Problem(**batch), gradient=kind).weights * factors).sum().backward()
    codebook, latents, lam = torch.zeros_like(batch["codebook"]), [], 0.0
    for n in range(5):
        one = replace(case, z=case.z[n : n + 1], a=case.a[n : n + 1]).tensors(device)
        (solve(info, Problem(**one), gradient=kind).weights * factors[n]).sum().backward()
        codebook += one["codebook"].grad
        lam += one["lam"].grad
        latents.append(one["latents"].grad)
    share = gradient_tolerance(info)
    assert codebook.abs().max() > 0.1
    assert_same_derivative(batch["codebook"].grad, codebook, share)
    assert_same_derivative(batch["lam"].grad, lam, share)
    assert_same_derivative(batch["latents"].grad, torch.cat(latents), share)


@check(gradients=BOTH)
def gradient_is_proportional_to_the_loss(info: BackendInfo, device: torch.device, kind: str) -> None:
    """Means over large batches make small losses: no threshold may take their gradient for zero."""
    case = draw(4, 3, 6)
    factors = functional(4, 6).to(device)
    expected, leaves = gradients(info, case.tensors(device), gradient=kind), case.tensors(device)
    weights = solve(info, Problem(**leaves), gradient=kind).weights
    (1e-12 * (weights * factors).sum()).backward()
    for name, derivative in expected.items():
        assert_same_derivative(1e12 * leaves[name].grad, derivative, gradient_tolerance(info))
    leaves = case.tensors(device)
    (0.0 * solve(info, Problem(**leaves), gradient=kind).weights.sum()).backward()
    assert all((leaves[name].grad == 0).all() for name in expected)


@check(exact_only=True, gradients=BOTH)
def gradient_in_float32(info: BackendInfo, device: torch.device, kind: str) -> None:
    case = draw(5, 3, 6, dense=True).rounded(torch.float32)
    found = gradients(info, case.tensors(device, torch.float32), gradient=kind)
    expected = gradients(info, case.tensors(device), gradient=kind)
    for name, derivative in expected.items():
        assert found[name].dtype == (torch.float64 if name == "lam" else torch.float32)
        assert_same_derivative(found[name], derivative, gradient_tolerance(info, torch.float32))


@check(exact_only=True, gradients=BOTH)
def gradient_at_other_scales(info: BackendInfo, device: torch.device, kind: str) -> None:
    """In other units, and with the origin elsewhere, dL/dz is divided by the unit and nothing else changes."""
    case = draw(4, 3, 6)
    expected = gradients(info, case.tensors(device), gradient=kind)
    for s, offset in ((1e-3, 0.0), (1e3, 0.0), (1.0, 100.0)):
        moved = replace(case, z=s * case.z + offset, C=s * case.C + offset, lam=s * s * case.lam)
        found = gradients(info, moved.tensors(device), gradient=kind)
        for name, unit in (("latents", s), ("codebook", s), ("lam", s * s)):
            assert_same_derivative(unit * found[name], expected[name], gradient_tolerance(info))


@check(gradients=BOTH)
def gradient_reaches_the_reconstruction(info: BackendInfo, device: torch.device, kind: str) -> None:
    """z_q = C^T p depends on the codebook twice; moving latents and codebook together moves it along."""
    case = draw(4, 3, 6)
    tensors = case.tensors(device)
    if not info.exact:
        # The relaxation depends on the origin: only that both are reached is asked.
        solve(info, Problem(**tensors), gradient=kind).reconstruction.sum().backward()
        assert tensors["latents"].grad.abs().max() > 0 and tensors["codebook"].grad.abs().max() > 0
        return
    solve(info, Problem(**tensors), gradient=kind).reconstruction.sum().backward()
    together = tensors["latents"].grad.sum(0) + tensors["codebook"].grad.sum(0)
    assert_same_derivative(together, np.full(3, 4.0), gradient_tolerance(info))


@check(exact_only=True, gradients=("implicit",))
def gradient_counts_weakly_active_codewords_as_off(info: BackendInfo, device: torch.device, kind: str) -> None:
    """On a codeword all others are weakly active: alone in its support, it keeps weight 1 whatever moves."""
    case = draw(6, 3, 6)
    case = replace(case, z=case.C.copy(), a=np.eye(6))
    for name, derivative in gradients(info, case.tensors(device), gradient=kind).items():
        assert derivative.abs().max() <= tolerance(info), name


@check(exact_only=True, gradients=("native",))
def gradient_on_a_codeword_is_finite(info: BackendInfo, device: torch.device, kind: str) -> None:
    case = draw(6, 3, 6)
    case = replace(case, z=case.C.copy(), a=np.eye(6))
    for name, derivative in gradients(info, case.tensors(device), gradient=kind).items():
        assert np.isfinite(as_numpy(derivative)).all(), name
