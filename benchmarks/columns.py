"""Seconds a column of every solver worth the comparison, against the relaxation, plain VQ and qpth in the same run."""

import torch
from common import median_seconds, write
from rich.progress import track
from torch import Tensor

import solvers
from solvers.registry import get

SIZES = ((4096, 16, 128), (1024, 64, 512), (4096, 8, 1024))
"""N, F, K."""

PEER_COLUMNS = {128: 64, 512: 8}
"""Columns that qpth is given, by K; none at other K."""


def hull(N: int, F: int, K: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Codewords N(0, 0.3^2); latents convex combinations with weights uniform^60, normalised, plus N(0, 0.03^2)."""
    generator = torch.Generator().manual_seed(0)
    codebook = 0.3 * torch.randn(K, F, generator=generator, dtype=torch.float64)
    weights = torch.rand(N, K, generator=generator, dtype=torch.float64) ** 60
    latents = weights / weights.sum(1, keepdim=True) @ codebook
    latents += 0.03 * torch.randn(N, F, generator=generator, dtype=torch.float64)
    return latents.to(dtype), codebook.to(dtype)


def forward(latents: Tensor, codebook: Tensor, backend: str) -> solvers.Solution:
    return solvers.solve(solvers.Problem(latents, codebook, 0.1), backend, gradient="none")


def both(latents: Tensor, codebook: Tensor, backend: str) -> None:
    z, c = latents.clone().requires_grad_(), codebook.clone().requires_grad_()
    solvers.solve(solvers.Problem(z, c, 0.1), backend).reconstruction.square().sum().backward()


def plain(latents: Tensor, codebook: Tensor) -> Tensor:
    return ((codebook * codebook).sum(1) - 2 * latents @ codebook.T).argmin(1)


def main() -> None:
    rows = []
    for N, F, K in track(SIZES, "sizes"):
        latents, codebook = hull(N, F, K, torch.float32)
        vq = median_seconds(lambda z=latents, c=codebook: plain(z, c), 5) / N
        relaxed = [
            median_seconds(lambda f=f, z=latents, c=codebook: f(z, c, "relaxed"), 5) / N for f in (forward, both)
        ]
        peer = None
        if K in PEER_COLUMNS and get("qpth").available:
            z, c = hull(PEER_COLUMNS[K], F, K, torch.float64)
            peer = median_seconds(lambda z=z, c=c: forward(z, c, "qpth"), 3) / z.shape[0]
        for backend in ("active_set", "interior_point"):
            seconds = [
                median_seconds(lambda f=f, b=backend, z=latents, c=codebook: f(z, c, b), 3) / N for f in (forward, both)
            ]
            solution = forward(latents, codebook, backend)
            rows.append(
                (
                    f"{N}, {F}, {K}",
                    f"`{backend}`",
                    f"{seconds[0] * 1e6:.1f}",
                    f"{seconds[1] * 1e6:.1f}",
                    f"{seconds[0] / relaxed[0]:.2f}",
                    f"{seconds[1] / relaxed[1]:.2f}",
                    f"{seconds[0] / vq:.1f}",
                    f"{peer / seconds[0]:.0f}" if peer else "",
                    f"{solution.residuals.relative.max():.0e}",
                    f"{(solution.weights > 0).sum(1).double().mean():.0f}",
                )
            )
    headings = (
        "N, F, K",
        "backend",
        "forward, µs a column",
        "forward + backward",
        "forward / relaxation",
        "forward + backward / relaxation",
        "forward / plain VQ",
        "times faster than qpth, forward",
        "relative KKT",
        "support",
    )
    notes = (
        "Float32, lam 0.1, random problems near the codebook's hull; the relaxation has m = 20 steps and its gradient "
        "by autograd. Forward includes finding the nearest codewords. qpth solves few columns in float64, as it must. "
        "Relative KKT residuals are those of the float32 weights."
    )
    write("columns", "Seconds a column", headings, rows, notes)


if __name__ == "__main__":
    main()
