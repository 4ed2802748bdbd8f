"""Conformance: shapes, dtypes, layouts, and columns that are no good."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conformance import (
    Case,
    as_numpy,
    assert_near,
    assert_same_derivative,
    check,
    draw,
    finished,
    functional,
    gradient_tolerance,
    gradients,
    solve,
    tolerance,
)

from scq.solvers import BackendInfo, Problem, SolveError, Status


def between_two(info: BackendInfo, case: Case, dtype: torch.dtype = torch.float64) -> np.ndarray:
    """How far two runs of one backend on one problem may differ: both may be off by what the entry promises."""
    return 2 * case.allowed(tolerance(info, dtype)) if info.exact else np.full(len(case.z), tolerance(info, dtype))


@check()
def shapes_and_dtypes_are_those_of_the_problem(info: BackendInfo, device: torch.device) -> None:
    for dtype in (torch.float32, torch.float64):
        solution = solve(info, draw(5, 3, 6).problem(device, dtype))
        assert solution.weights.shape == (5, 6) and solution.reconstruction.shape == (5, 3)
        assert solution.status.shape == solution.iterations.shape == solution.residuals.gap.shape == (5,)
        assert solution.weights.dtype == solution.reconstruction.dtype == dtype
        assert solution.weights.device == solution.status.device == solution.problem.latents.device
        assert (solution.status == finished(info)).all()
        assert (solution.iterations >= 0).all()
        assert_near(solution.weights.sum(1, keepdim=True), np.ones((5, 1)), 10 * tolerance(info, dtype))


@check()
def no_columns(info: BackendInfo, device: torch.device) -> None:
    case = draw(2, 3, 6)
    tensors = replace(case, z=case.z[:0], a=case.a[:0]).tensors(device)
    solution = solve(info, Problem(**tensors))
    assert solution.weights.shape == (0, 6) and solution.residuals.gap.shape == solution.status.shape == (0,)
    solution.reconstruction.sum().backward()
    assert (tensors["codebook"].grad == 0).all()


@check()
def batch_equals_loop(info: BackendInfo, device: torch.device) -> None:
    case = draw(5, 3, 6)
    batch = solve(info, case.problem(device)).weights
    for n in range(5):
        one = replace(case, z=case.z[n : n + 1], a=case.a[n : n + 1])
        assert_near(solve(info, one.problem(device)).weights, batch[n : n + 1], between_two(info, one))


@check()
def two_calls_are_equal(info: BackendInfo, device: torch.device) -> None:
    case = draw(5, 3, 6)
    first, second = (solve(info, case.problem(device)).weights for _ in range(2))
    assert torch.equal(first, second)
    first, second = (gradients(info, case.tensors(device)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@check()
def order_of_columns_does_not_matter(info: BackendInfo, device: torch.device) -> None:
    case = draw(5, 3, 6)
    order = [3, 1, 4, 0, 2]
    moved = replace(case, z=case.z[order], a=case.a[order])
    expected = solve(info, case.problem(device)).weights[order]
    assert_near(solve(info, moved.problem(device)).weights, expected, between_two(info, moved))


@check()
def order_of_codewords_does_not_matter(info: BackendInfo, device: torch.device) -> None:
    case = draw(5, 3, 6)
    order = [3, 1, 4, 0, 5, 2]
    moved = replace(case, C=case.C[order], a=case.a[:, order])
    expected = solve(info, case.problem(device)).weights[:, order]
    assert_near(solve(info, moved.problem(device)).weights, expected, between_two(info, moved))


@check()
def layout_in_memory_does_not_matter(info: BackendInfo, device: torch.device) -> None:
    case = draw(5, 3, 6)
    plain = case.tensors(device)
    expected, derivative = solve(info, Problem(**plain)).weights, gradients(info, plain)
    wide = torch.stack([plain["latents"].detach(), torch.full_like(plain["latents"], torch.nan)], 2)
    strided = {
        **plain,
        "latents": wide[..., 0].requires_grad_(),
        "codebook": plain["codebook"].detach().T.contiguous().T.requires_grad_(),
    }
    assert not strided["latents"].is_contiguous() and not strided["codebook"].is_contiguous()
    assert_near(solve(info, Problem(**strided)).weights, expected, between_two(info, case))
    for name, found in gradients(info, strided).items():
        assert_same_derivative(found, derivative[name], gradient_tolerance(info))
    one = plain["latents"].detach()[:1].requires_grad_()
    weights = solve(info, Problem(one.expand(5, 3), plain["codebook"])).weights
    assert_near(weights, expected[:1].expand(5, 6), between_two(info, case).max())
    weights.square().sum().backward()
    assert one.grad.shape == (1, 3) and torch.isfinite(one.grad).all()


@check()
def lam_may_be_a_tensor_and_an_anchor_dense(info: BackendInfo, device: torch.device) -> None:
    case = draw(5, 3, 6)
    tensors = case.tensors(device)
    expected = solve(info, case.problem(device)).weights
    allowed = between_two(info, case)
    for dense in (False, True):
        given = replace(case, dense=dense).tensors(device)
        assert_near(solve(info, Problem(**given)).weights, expected, allowed)
    assert_near(solve(info, Problem(tensors["latents"], tensors["codebook"], case.lam)).weights, expected, allowed)


@check()
def half_precision_is_solved_in_more(info: BackendInfo, device: torch.device) -> None:
    """Weights and derivatives are those of the rounded inputs, rounded once to the dtype, which is kept."""
    for dtype in (torch.float16, torch.bfloat16):
        case, eps = draw(5, 3, 6, dense=True).rounded(dtype), torch.finfo(dtype).eps
        expected = solve(info, case.problem(device)).weights
        derivative = gradients(info, case.tensors(device))
        solution = solve(info, case.problem(device, dtype))
        assert solution.weights.dtype == solution.reconstruction.dtype == dtype
        assert_near(solution.weights, expected, between_two(info, case, torch.float32) + eps)
        assert_near(solution.reconstruction, as_numpy(solution.weights) @ case.C, 2 * eps)
        for name, found in gradients(info, case.tensors(device, dtype)).items():
            assert found.dtype == (torch.float64 if name == "lam" else dtype)
            # The factors of the loss are rounded to the dtype too: an error of eps in each of K terms.
            assert_same_derivative(found, derivative[name], gradient_tolerance(info, torch.float32) + 6 * eps)


@check()
def autocast_changes_nothing(info: BackendInfo, device: torch.device) -> None:
    case = draw(5, 3, 6)
    results = []
    for autocast in (False, True):
        tensors = case.tensors(device, torch.float32)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            solution = solve(info, Problem(**tensors))
            reconstruction = solution.reconstruction
        (solution.weights * functional(5, 6).to(device)).sum().backward()
        results.append((solution.weights, reconstruction, tensors["latents"].grad, tensors["codebook"].grad))
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


@check()
def a_bad_column_spoils_no_other(info: BackendInfo, device: torch.device) -> None:
    """NaN and both infinities: flagged, anchor kept, no gradient; the others as if those columns were not there."""
    for kind in info.gradient:
        case = draw(6, 3, 6)
        good = [0, 2, 4]
        without = replace(case, z=case.z[good], a=case.a[good])
        bad = replace(case, z=case.z.copy())
        for n, value in ((1, np.nan), (3, np.inf), (5, -np.inf)):
            bad.z[n, n % 3] = value
        factors = functional(6, 6).to(device)

        all_six, three = bad.tensors(device), without.tensors(device)
        solution = solve(info, Problem(**all_six), throw=False, gradient=kind)
        expected = solve(info, Problem(**three), gradient=kind)
        assert solution.status.tolist() == [finished(info), Status.NON_FINITE] * 3
        assert_near(solution.weights[good], expected.weights, between_two(info, without))
        assert_near(solution.weights[[1, 3, 5]], case.a[[1, 3, 5]], 0.0)
        (solution.weights * factors).sum().backward()
        (expected.weights * factors[good]).sum().backward()
        assert (all_six["latents"].grad[[1, 3, 5]] == 0).all()
        share = gradient_tolerance(info)
        assert_same_derivative(all_six["latents"].grad[good], three["latents"].grad, share)
        assert_same_derivative(all_six["codebook"].grad, three["codebook"].grad, share)
        assert_same_derivative(all_six["lam"].grad, three["lam"].grad, share)
        with pytest.raises(SolveError, match="3 of 6 columns") as caught:
            solve(info, Problem(**bad.tensors(device)), gradient=kind)
        assert_near(caught.value.solution.weights, solution.weights, np.tile(between_two(info, without), 2).max())
