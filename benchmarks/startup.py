"""What the first call costs: in a new installation, where the kernels are compiled, and in a later process."""

import os
import subprocess
import sys
import tempfile

from common import write

CODE = """
import time
import torch
from scq import solvers
latents, codebook = torch.randn(4096, 16), torch.randn(128, 16)
def step():
    start = time.perf_counter()
    z, c = latents.clone().requires_grad_(), codebook.clone().requires_grad_()
    solvers.solve(solvers.Problem(z, c)).reconstruction.sum().backward()
    return time.perf_counter() - start
print(step(), step())
"""


def calls(cache: str) -> tuple[float, float]:
    """Seconds of the first and the second call of a process."""
    run = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = run.stdout.split()
    return float(first), float(second)


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for name in ("new installation", "later process"):
            first, second = calls(cache)
            later = first - second
            target = ("pass" if later <= 15 else f"short by {later / 15 - 1:.0%}") if name == "new installation" else ""
            rows.append((name, f"{first:.2f}", f"{second * 1e3:.0f} ms", f"{later:.2f}", target))
    headings = ("process", "first call, s", "second call", "later by, s", "target of 15 s")
    notes = "Forward and backward of 4,096 latents in float32. The first call of any process imports Numba."
    write("startup", "The first call", headings, rows, notes)


if __name__ == "__main__":
    main()
