"""Peak memory of a training step's quantizer: forward alone, and forward and backward, against the weights' own size.

Each figure comes from a process of its own, because memory that an allocator keeps is used again unseen:
``python benchmarks/memory.py WHAT N F K forward|both`` prints bytes.
"""

import subprocess
import sys

import torch
from common import write
from torch import nn

from scq.quantizers import SoftConvexQuantizer, VectorQuantizer
from scq.solvers.synthetic import hull
from scq.validation.common.measuring.memory import PeakMemory

SIZES = ((4096, 16, 128), (16384, 16, 128), (4096, 64, 512), (4096, 64, 4096), (16384, 64, 1024))
COMPACT = ((4096, 64, 65536),)
"""With (N, K) arrays of 1 GB."""

MB = 2**20


def made(what: str, F: int, K: int) -> nn.Module:
    if what == "VectorQuantize":
        from vector_quantize_pytorch import VectorQuantize

        return VectorQuantize(F, K, learnable_codebook=True, ema_update=False)
    if what == "vq":
        return VectorQuantizer(K, F)
    layer = SoftConvexQuantizer(
        K, F, backend="relaxed" if what == "relaxed" else "active_set", return_weights=what == "exact, weights"
    )
    return torch.compile(layer, fullgraph=True, backend="aot_eager") if what == "exact, compiled" else layer


KINDS = ("vq", "VectorQuantize", "exact", "exact, weights", "exact, compiled", "relaxed")


def measure(what: str, N: int, F: int, K: int, backward: bool) -> int:
    """Bytes by which the process grows at most."""
    layer = made(what, F, K)
    latents, codebook = hull(N, F, K, torch.float32)
    with torch.no_grad():
        next(layer.parameters()).view(K, F).copy_(codebook)

    def step(x: torch.Tensor) -> None:
        output = layer(x[None].requires_grad_())
        loss = output[0].square().mean() + output[2].sum()
        if backward:
            loss.backward()

    # Kernels are loaded, and graphs made, outside of what is measured; a graph is made for one size.
    step(latents if what == "exact, compiled" else latents[:256])
    layer.zero_grad()
    with PeakMemory() as peak:
        step(latents)
    return peak.grown


def main() -> None:
    rows = []
    for N, F, K in (*SIZES, *COMPACT):
        dense = 4 * N * K
        for what in KINDS if (N, F, K) in SIZES else ("vq", "exact"):
            found = []
            for part in ("forward", "both"):
                command = [sys.executable, __file__, what, str(N), str(F), str(K), part]
                run = subprocess.run(command, capture_output=True, text=True, check=True)
                found.append(int(run.stdout))
            forward, both = found
            megabytes = [f"{size / MB:.0f}" for size in (dense, forward, both)]
            rows.append((N, F, K, what, *megabytes, f"{both / dense:.2f}", f"{both / (4 * N * F):.1f}"))
    headings = ("N", "F", "K", "layer", "(N, K) array, MB", "forward, MB", "both, MB", "both / (N, K)", "both / (N, F)")
    notes = (
        "Float32, one thread; peaks above what the process had before, gradients included. *vq* is ours, "
        "*VectorQuantize* that of vector-quantize-pytorch with a learnable codebook; *exact* has "
        "`return_weights=False`, *exact, weights* returns them, *exact, compiled* is `torch.compile` of the former, "
        "*relaxed* has m = 20 and returns no weights."
    )
    write("memory", "Peak memory", headings, rows, notes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        what, *sizes, part = sys.argv[1:]
        print(measure(what, *map(int, sizes), backward=part == "both"))
    else:
        main()
