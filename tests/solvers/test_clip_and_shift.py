"""The relaxation's steps in closed form, against the steps as the paper has them and what autograd makes of those."""

import pytest
import torch
from torch.autograd import forward_ad, grad, gradcheck, gradgradcheck

from scq.solvers.clip_and_shift import clip_and_shift


def as_in_the_paper(P: torch.Tensor, steps: int) -> torch.Tensor:
    for _ in range(steps):
        P = P.clamp_min(0.0)
        P = P - (P.sum(1, keepdim=True) - 1) / P.shape[1]
    return P


def rows(K: int, dtype: torch.dtype, spread: float = 0.2) -> torch.Tensor:
    """Of any sum, below 1 and above, and a vertex, at which entries are exactly 0."""
    return torch.cat([spread * torch.randn(48, K, dtype=dtype) + 0.03, torch.eye(1, K, dtype=dtype)]).requires_grad_()


@pytest.mark.parametrize("K", [1, 2, 37])
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 100])
def test_values_and_derivatives_are_those_of_the_steps(K: int, steps: int) -> None:
    compare(rows(K, torch.float64), steps, 1e-12)


def test_in_float32_too() -> None:
    # After many more, t moves by less than rounding, and an entry beside it is clipped a step sooner or later.
    compare(rows(37, torch.float32), 20, 2e-6)


def compare(P: torch.Tensor, steps: int, atol: float) -> None:
    found, expected = clip_and_shift(P, steps), as_in_the_paper(P, steps)
    torch.testing.assert_close(found, expected, atol=atol, rtol=0)
    upstream = torch.randn_like(P)
    ours, theirs = (grad(value, P, upstream)[0] for value in (found, expected))
    torch.testing.assert_close(ours, theirs, atol=10 * atol, rtol=0)


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_rows_far_from_the_simplex_take_the_same_steps(scale: float) -> None:
    P = (scale * rows(24, torch.float64)).detach().requires_grad_()
    found, expected = clip_and_shift(P, 20), as_in_the_paper(P, 20)
    torch.testing.assert_close(found, expected, atol=1e-11 * max(1.0, scale), rtol=0)
    upstream = torch.randn_like(P)
    torch.testing.assert_close(grad(found, P, upstream)[0], grad(expected, P, upstream)[0], atol=1e-10, rtol=0)


def test_first_and_second_derivatives_are_those_of_finite_differences() -> None:
    P = (0.3 * torch.randn(5, 7, dtype=torch.float64) + 0.1).requires_grad_()
    assert gradcheck(lambda P: clip_and_shift(P, 5), P, check_batched_grad=True)
    assert gradgradcheck(lambda P: clip_and_shift(P.square(), 5), P)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own, of its import
def test_forward_derivatives_are_those_of_the_steps() -> None:
    P = rows(9, torch.float64).detach()
    tangent = torch.randn_like(P)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(P, tangent)
        ours, theirs = (forward_ad.unpack_dual(steps(dual, 6)).tangent for steps in (clip_and_shift, as_in_the_paper))
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


def test_a_derivative_keeps_one_array_whatever_the_number_of_steps() -> None:
    P = rows(64, torch.float32)
    kept: list[int] = []

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        clip_and_shift(P, 50)
    assert sum(kept) < 4 * P.numel()


def test_what_is_not_finite_stays_so_in_its_row() -> None:
    P = rows(8, torch.float32).detach()
    P[3, 2], P[5, 1] = torch.nan, torch.inf
    finite = clip_and_shift(P, 20).isfinite().all(1)
    assert (~finite).nonzero().flatten().tolist() == [3, 5]
