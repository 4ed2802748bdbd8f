"""The price of an exact solve: against the relaxation and plain VQ of the same run, and against the least work."""

import os

import torch
from common import both, forward, hull, medians, plain_relaxation, plain_vq, relaxation_both, write
from rich.progress import track
from safetensors.torch import load_file
from torch import Tensor

TARGETS = (
    ((8192, 16, 128), (1.5, 1.0), (1.0, 0.5)),
    ((8192, 64, 512), (3.0, 1.5), (1.0, 0.5)),
    ((8192, 8, 1024), (0.7, 0.4), (0.3, 0.1)),
    ((4096, 64, 1024), (5.0, 3.0), (1.0, 0.7)),
    ((2048, 256, 1024), (12.0, 5.0), (4.0, 2.0)),
)
"""(N, F, K), and exact / relaxation to reach and to aim at: forward, forward + backward."""

LARGE, TIMES_VQ = (8192, 8, 65536), 3.0
"""A codebook so large that plain VQ is the baseline, and the multiple of its forward time to stay below."""


def verdict(ratio: float, reach: float, aim: float) -> str:
    """How a ratio stands to its target."""
    if ratio <= aim:
        return "aim"
    return "pass" if ratio <= reach else f"short by {ratio / reach - 1:.0%}"


def multiply_adds_a_second() -> float:
    """What this machine does in float32 at its best: a large matrix product."""
    a = torch.randn(2048, 2048)
    return 2048**3 / medians({"product": lambda: a @ a}, 5)["product"]


def measure(
    latents: Tensor, codebook: Tensor, name: str, rate: float, reach_forward: tuple, reach_both: tuple
) -> list[str]:
    N, F = latents.shape
    seconds = medians(
        {
            "vq": lambda: plain_vq(latents, codebook),
            "relaxed": lambda: plain_relaxation(latents, codebook),
            "exact": lambda: forward(latents, codebook),
            "relaxed both": lambda: relaxation_both(latents, codebook),
            "exact both": lambda: both(latents, codebook),
        },
        7,
    )
    solution = forward(latents, codebook)
    k = float((solution.compact.values > 0).sum(1).double().mean())
    # One solve with the support known, and one pass over the codebook.
    floor = N * (k**2 * F + k**3 / 3 + F * codebook.shape[0]) / rate
    ratio, ratio_both = seconds["exact"] / seconds["relaxed"], seconds["exact both"] / seconds["relaxed both"]
    return [
        name,
        f"{k:.0f}",
        *(f"{seconds[x] * 1e3:.1f}" for x in ("vq", "relaxed", "exact", "relaxed both", "exact both")),
        f"{ratio:.2f}",
        verdict(ratio, *reach_forward),
        f"{ratio_both:.2f}",
        verdict(ratio_both, *reach_both),
        f"{seconds['exact'] / seconds['vq']:.1f}",
        f"{seconds['exact'] / floor:.1f}",
        f"{solution.residuals.relative.max():.0e}",
    ]


def main() -> None:
    rate, rows = multiply_adds_a_second(), []
    for size, *reach in track(TARGETS, "sizes"):
        rows.append(measure(*hull(*size), ", ".join(map(str, size)), rate, *reach))
    if "SCQ_LATENTS" in os.environ:
        file = load_file(os.environ["SCQ_LATENTS"])
        latents, codebook = file["latents"][:8192], file["codebook"]
        name = f"{', '.join(map(str, (*latents.shape, len(codebook))))}, trained"
        rows.append(measure(latents, codebook, name, rate, *TARGETS[0][1:]))
    headings = (
        "N, F, K",
        "support",
        "VQ, ms",
        "relaxation",
        "exact",
        "relaxation, forward + backward",
        "exact, forward + backward",
        "exact / relaxation, forward",
        "target",
        "exact / relaxation, forward + backward",
        "target of both",
        "exact / VQ, forward",
        "exact / floor, forward",
        "relative KKT",
    )
    notes = (
        "Float32, lam 0.1, medians of seven turns; random problems near the codebook's hull. *Relaxation*: plain "
        "tensor code, m = 20, its gradient by autograd; *exact*: `solvers.solve` with the default backend, checks and "
        "the search of nearest codewords included. *Floor*: one solve with the support known (k^2 F + k^3 / 3 "
        f"multiply-adds) and one pass over the codebook (F K), at the {rate / 1e9:.0f} G multiply-adds a second that a "
        "large matrix product reaches here. KKT residuals are those of the float32 weights."
    )
    write("targets", "Exact against relaxed", headings, rows, notes)

    latents, codebook = hull(*LARGE)
    seconds = medians({"vq": lambda: plain_vq(latents, codebook), "exact": lambda: forward(latents, codebook)}, 3)
    ratio = seconds["exact"] / seconds["vq"]
    write(
        "large",
        "A large codebook",
        ("N, F, K", "plain VQ, s", "exact, s", "exact / VQ", "target"),
        [
            (
                ", ".join(map(str, LARGE)),
                f"{seconds['vq']:.2f}",
                f"{seconds['exact']:.2f}",
                f"{ratio:.2f}",
                "pass" if ratio <= TIMES_VQ else f"short by {ratio / TIMES_VQ - 1:.0%}",
            )
        ],
        "Forward only, float32. Plain VQ goes 256 latents at a time.",
    )


if __name__ == "__main__":
    main()
