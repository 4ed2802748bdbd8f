"""Conformance: solutions that are known, or found by an independent method."""

from dataclasses import replace

import entmax
import numpy as np
import torch
from conformance import (
    Case,
    as_numpy,
    assert_exact,
    assert_near,
    check,
    draw,
    solve,
    tolerance,
)

from scq.solvers import BackendInfo, Problem


@check()
def one_codeword_has_all_the_weight(info: BackendInfo, device: torch.device) -> None:
    case = Case(np.random.default_rng(0).normal(size=(4, 3)), np.ones((1, 3)), 0.1, np.ones((4, 1)))
    tensors = case.tensors(device)
    solution = solve(info, Problem(**tensors))
    assert_near(solution.weights, case.a, tolerance(info))
    solution.weights.sum().backward()
    assert tensors["latents"].grad.abs().max() <= tolerance(info)


@check()
def a_huge_lam_gives_the_anchor(info: BackendInfo, device: torch.device) -> None:
    """p = projection of a + C (z - C^T p) / lam, and a projection moves no further than its argument."""
    for dense in (False, True):
        case = draw(4, 3, 6, dense=dense)
        error = max(np.linalg.norm(x) for x in (case.z[:, None] - case.C).reshape(-1, 3))
        case = replace(case, lam=1e4)
        assert_near(solve(info, case.problem(device)).weights, case.a, np.linalg.norm(case.C, 2) * error / case.lam)


@check(exact_only=True)
def a_small_lam_reconstructs_what_lies_in_the_hull(info: BackendInfo, device: torch.device) -> None:
    """f(p*) <= f(q) for the q with C^T q = z, so ||C^T p* - z|| <= sqrt(lam) ||q - a|| <= sqrt(2 lam)."""
    case = draw(6, 3, 10)
    q = np.random.default_rng(1).dirichlet(np.ones(10), size=6)
    case = replace(case, z=q @ case.C, lam=1e-5)
    solution = solve(info, case.problem(device))
    assert_near(solution.reconstruction, case.z, np.sqrt(case.lam) * np.linalg.norm(q - case.a, axis=1))


@check(exact_only=True)
def orthogonal_codewords_give_sparsemax(info: BackendInfo, device: torch.device) -> None:
    """With C C^T = s I the objective is (s + lam) / 2 ||p - (C z + lam a) / (s + lam)||^2 up to a constant."""
    random = np.random.default_rng(0)
    s, lam, K = 0.7, 0.2, 5
    C = np.sqrt(s) * np.linalg.qr(random.normal(size=(7, K)))[0].T
    case = Case(random.normal(size=(6, 7)), C, lam, random.dirichlet(np.ones(K), size=6), dense=True)
    solution = solve(info, case.problem(device))
    expected = entmax.sparsemax(torch.tensor((case.z @ C.T + lam * case.a) / (s + lam)), dim=1)
    assert_near(solution.weights, expected, case.allowed(tolerance(info)))


@check(exact_only=True)
def two_codewords_have_a_closed_form(info: BackendInfo, device: torch.device) -> None:
    random = np.random.default_rng(0)
    C, z, lam = random.normal(size=(2, 3)), 2 * random.normal(size=(8, 3)), 0.3
    share = random.random(8)
    case = Case(z, C, lam, np.stack([share, 1 - share], 1), dense=True)
    d = C[0] - C[1]
    first = (((z - C[1]) @ d + 2 * lam * share) / (d @ d + 2 * lam)).clip(0.0, 1.0)
    assert 0 < ((first == 0) | (first == 1)).sum() < 8
    solution = solve(info, case.problem(device))
    assert_near(solution.weights, np.stack([first, 1 - first], 1), case.allowed(tolerance(info)))


@check(exact_only=True)
def every_support_of_few_codewords_was_tried(info: BackendInfo, device: torch.device) -> None:
    for lam in (1e-2, 0.1, 1.0):
        for dense in (False, True):
            case = draw(6, 3, 6, lam, dense)
            assert_exact(info, solve(info, case.problem(device)), case)


@check(exact_only=True)
def twenty_codewords_agree_with_nnls(info: BackendInfo, device: torch.device) -> None:
    for F, dense in ((4, False), (4, True), (24, False)):
        case = draw(5, F, 20, 0.05, dense)
        assert_exact(info, solve(info, case.problem(device)), case)


@check(exact_only=True)
def float32_reaches_its_promise(info: BackendInfo, device: torch.device) -> None:
    for K in (6, 20):
        case = draw(6, 4, K).rounded(torch.float32)
        solution = solve(info, case.problem(device, torch.float32))
        assert solution.weights.dtype == torch.float32
        assert_exact(info, solution, case, torch.float32)


@check(exact_only=True)
def duplicated_codewords_share_their_weight(info: BackendInfo, device: torch.device) -> None:
    """Two equal codewords, neither of them the anchor, play the same part in the objective."""
    case = draw(6, 3, 4)
    order = [0, 1, 2, 3, 3, 0, 0]
    a = np.pad(case.a, ((0, 0), (0, 3)))
    case = replace(case, C=case.C[order], a=a)
    solution = solve(info, case.problem(device))
    assert_exact(info, solution, case)
    weights, allowed = as_numpy(solution.weights), 2 * case.allowed(tolerance(info))
    assert (np.abs(weights[:, 5] - weights[:, 6]) <= allowed).all()
    free = a[:, 3] == 0
    assert free.any()
    assert (np.abs(weights[:, 3] - weights[:, 4]) <= allowed)[free].all()


@check(exact_only=True)
def a_latent_on_a_codeword_is_that_codeword(info: BackendInfo, device: torch.device) -> None:
    """Every multiplier is 0 here: the least complementary case there is."""
    case = draw(6, 3, 6)
    case = replace(case, z=case.C.copy(), a=np.eye(6))
    assert_exact(info, solve(info, case.problem(device)), case)


@check(exact_only=True)
def units_do_not_matter(info: BackendInfo, device: torch.device) -> None:
    """Codebook and latents times s, lam times s^2: the same weights, to the digits that hold at s = 1."""
    case = draw(5, 4, 12)
    for s in (1e-3, 1e-1, 10.0, 1e3):
        scaled = replace(case, z=s * case.z, C=s * case.C, lam=s * s * case.lam)
        assert_near(solve(info, scaled.problem(device)).weights, case.exact, case.allowed(tolerance(info)))


@check(exact_only=True)
def scales_from_1e_3_to_1e3_are_solved(info: BackendInfo, device: torch.device) -> None:
    """Codebook and latents times s at the same lam: from nearly plain quantization to nearly the hull's projection."""
    case = draw(5, 4, 12)
    for s in (1e-3, 1e-2, 10.0, 1e3):
        scaled = replace(case, z=s * case.z, C=s * case.C)
        assert_exact(info, solve(info, scaled.problem(device)), scaled)


@check(exact_only=True)
def an_offset_changes_nothing(info: BackendInfo, device: torch.device) -> None:
    """100 added to latents and codebook alike; in float32 to the digits that the rounded inputs still have."""
    case = draw(5, 4, 12)
    for dtype in (torch.float64, torch.float32):
        far = replace(case, z=case.z + 100, C=case.C + 100).rounded(dtype)
        solution = solve(info, far.problem(device, dtype))
        assert_near(solution.weights, far.exact, far.allowed(tolerance(info, dtype)))
    near = solve(info, case.problem(device)).weights
    far = solve(info, replace(case, z=case.z + 100, C=case.C + 100).problem(device)).weights
    assert_near(far, near, 2 * case.allowed(tolerance(info)))


@check()
def the_certificate_bounds_the_error(info: BackendInfo, device: torch.device) -> None:
    case = draw(6, 3, 6)
    solution = solve(info, case.problem(device))
    residuals = solution.residuals
    assert_near(solution.weights, case.exact, as_numpy(residuals.weights_bound) + 1e-12)
    assert_near(solution.reconstruction, case.exact @ case.C, as_numpy(residuals.reconstruction_bound) + 1e-12)
