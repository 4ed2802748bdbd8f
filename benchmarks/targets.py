"""The price of an exact solve: against the relaxation and plain VQ of the same run, and against the least work."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from common import (
    Round,
    both,
    forward,
    medians,
    plain_relaxation,
    plain_vq,
    relaxation_both,
    run,
    together,
    verdict,
    write,
)
from rich.progress import track
from safetensors.torch import load_file
from torch import Tensor

from scq.solvers.synthetic import hull

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


def multiply_adds_a_second() -> float:
    """What this machine does in float32 at its best: a large matrix product."""
    a = torch.randn(2048, 2048)
    return 2048**3 / medians({"product": lambda: a @ a}, 5)["product"]


def problems() -> dict[str, tuple[Callable[[], tuple[Tensor, Tensor]], Sequence[tuple[float, float]]]]:
    """By name: what makes latents and codebook, and the targets."""
    found: dict[str, tuple[Callable[[], tuple[Tensor, Tensor]], Sequence[tuple[float, float]]]]
    found = {_named(size): (partial(hull, *size, dtype=torch.float32), reach) for size, *reach in TARGETS}
    if "SCQ_LATENTS" in os.environ:
        file = load_file(os.environ["SCQ_LATENTS"])
        latents, codebook = file["latents"][:8192], file["codebook"]
        name = f"{_named((*latents.shape, len(codebook)))}, trained"
        found[name] = (lambda: (latents, codebook)), TARGETS[0][1:]
    return found


def _named(size: Iterable[int]) -> str:
    return ", ".join(map(str, size))


def timed(latents: Tensor, codebook: Tensor, rate: float) -> dict[str, float]:
    """Milliseconds of each function, and what the problem has in common in all rounds."""
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
    facts = {"support": k, "floor": 1e3 * floor, "relative": float(solution.residuals.relative.max())}
    return {name: 1e3 * value for name, value in seconds.items()} | facts


def measure() -> Round:
    rate = multiply_adds_a_second()
    found = {name: timed(*make(), rate) for name, (make, _) in track(problems().items(), "sizes")}
    latents, codebook = hull(*LARGE, dtype=torch.float32)
    large = medians({"vq": lambda: plain_vq(latents, codebook), "exact": lambda: forward(latents, codebook)}, 3)
    return found | {"large": large, "machine": {"rate": rate / 1e9}}


def publish(rounds: list[Round]) -> None:
    found = together(rounds)
    rows = []
    for name, (_, (reach_forward, reach_both)) in problems().items():
        own = found[name]
        ratio, ratio_both = own["exact"].over(own["relaxed"]), own["exact both"].over(own["relaxed both"])
        rows.append(
            [
                name,
                f"{own['support'].median:.0f}",
                *(own[x] for x in ("vq", "relaxed", "exact", "relaxed both", "exact both")),
                ratio,
                verdict(ratio, *reach_forward),
                ratio_both,
                verdict(ratio_both, *reach_both),
                own["exact"].over(own["vq"]),
                own["exact"].over(own["floor"]),
                f"{own['relative'].maximum:.0e}",
            ]
        )
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
        "Float32, lam 0.1, in each round medians of seven turns, and ratios of those; random problems near the "
        "codebook's hull. A target that lies in the range is neither reached nor missed. *Relaxation*: plain tensor "
        "code, m = 20, its gradient by autograd; *exact*: `solvers.solve` with the default backend, checks and the "
        "search of nearest codewords included. *Floor*: one solve with the support known (k^2 F + k^3 / 3 "
        f"multiply-adds) and one pass over the codebook (F K), at the {found['machine']['rate'].words()} G "
        "multiply-adds a second that a large matrix product reaches here. KKT residuals are those of the float32 "
        "weights."
    )
    write("targets", "Exact against relaxed", headings, rows, notes)

    vq, exact = found["large"]["vq"], found["large"]["exact"]
    ratio = exact.over(vq)
    write(
        "large",
        "A large codebook",
        ("N, F, K", "plain VQ, s", "exact, s", "exact / VQ", "target"),
        [[_named(LARGE), vq, exact, ratio, verdict(ratio, TIMES_VQ)]],
        "Forward only, float32. Plain VQ goes 256 latents at a time.",
    )


if __name__ == "__main__":
    run(measure, publish)
