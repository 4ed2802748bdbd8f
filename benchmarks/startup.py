"""What the first call costs: in a new installation, where the kernels are compiled, and in a later process."""

import os
import subprocess
import sys
import tempfile

from common import Round, run, together, verdict, write

TARGET = 15.0

CODE = """
import time
import torch
from scq import solvers
torch.manual_seed(0)  # the same columns are solved again in float64
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


def measure() -> Round:
    found: Round = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("new installation", "later process"):
            first, second = calls(cache)
            found[name] = {"first": first, "second": 1e3 * second, "later": first - second}
    return found


def publish(rounds: list[Round]) -> None:
    found = together(rounds)
    rows = [
        (
            name,
            own["first"],
            own["second"],
            own["later"],
            verdict(own["later"], TARGET) if name == "new installation" else "",
        )
        for name, own in found.items()
    ]
    headings = ("process", "first call, s", "second call, ms", "later by, s", f"target of {TARGET:g} s")
    notes = "Forward and backward of 4,096 latents in float32. The first call of any process imports Numba."
    write("startup", "The first call", headings, rows, notes)


if __name__ == "__main__":
    run(measure, publish)
