"""The gradient in float32, against float64 on the same numbers."""

import pytest
import torch
from torch import Tensor

from scq import solvers
from scq.solvers import Problem

K, F, LAM = 48, 8, 0.1


def gradients(latents: Tensor, codebook: Tensor, upstream: Tensor, backend: str, **settings: float) -> list[Tensor]:
    """dL/dZ and dL/dC of L = sum(upstream * reconstruction), in float64."""
    latents, codebook = latents.clone().requires_grad_(), codebook.clone().requires_grad_()
    solution = solvers.solve(Problem(latents, codebook, LAM), backend=backend, **settings)
    assert solution.converged.all()
    (solution.reconstruction * upstream.to(latents.dtype)).sum().backward()
    return [x.grad.double() for x in (latents, codebook)]


def where_supports_change(codebook: Tensor, columns: int, away: float) -> Tensor:
    """Latents on either side of where a weight becomes 0, so close that who decides about it in float32 tosses."""
    ends = torch.randn(2, columns, F, dtype=torch.float64)

    def supports(at: Tensor) -> Tensor:
        latents = torch.lerp(*ends, at[:, None])
        return solvers.solve(Problem(latents, codebook, LAM), tol=1e-11).weights > 0

    low, high = torch.zeros(columns, dtype=torch.float64), torch.full((columns,), 0.25, dtype=torch.float64)
    first = supports(low)
    changes = (supports(high) != first).any(1)
    for _ in range(45):
        middle = (low + high) / 2
        same = (supports(middle) == first).all(1)
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    assert changes.sum() > columns / 2
    side = torch.where(torch.arange(columns) % 2 == 0, away, -away)
    return torch.lerp(*ends, (low + side)[:, None])[changes].float()


@pytest.mark.parametrize("away", [3e-6, 1e-5, 1e-4])
@pytest.mark.parametrize("backend", ["active_set", "interior_point"])
def test_the_gradient_is_that_of_the_right_support(backend: str, away: float) -> None:
    codebook = torch.randn(K, F, dtype=torch.float64)
    latents = where_supports_change(codebook.float().double(), 256, away)
    upstream = torch.randn_like(latents, dtype=torch.float64)
    found = gradients(latents, codebook.float(), upstream, backend)
    exact = gradients(latents.double(), codebook.float().double(), upstream, "active_set", tol=1e-11)
    for ours, right in zip(found, exact, strict=True):
        assert (ours - right).norm() <= 1e-4 * right.norm()
    assert ((found[0] - exact[0]).norm(dim=1) <= 1e-3 * exact[0].norm(dim=1).clamp_min(1e-3)).all()
