"""The memory that a KNN term takes beside the weights and their gradient. Run as a script, in a process of its own.

Prints bytes, at their peaks: forward, and backward without the gradient that it leaves.
"""

import sys

import torch

from scq.quantizers import regularizers
from scq.quantizers.regularizers import Quantized
from scq.validation.common.measuring.memory import PeakMemory

N, V = 2**16, 2**13


def main(name: str) -> None:
    term = getattr(regularizers, name)()
    weights = torch.rand(N, V)
    if name == "KNNL2":
        weights /= weights.sum(1, keepdim=True)
    weights.requires_grad_()
    # Each term reads one of the two.
    logarithms = weights if name == "KNNCE" else None
    nothing = torch.zeros(N, 1)
    with PeakMemory() as forward:
        loss = term(Quantized(nothing, nothing, weights, logarithms))
    with PeakMemory() as backward:
        loss.backward()
    assert weights.grad is not None
    print(forward.grown, backward.grown - weights.grad.numel() * weights.grad.element_size())


if __name__ == "__main__":
    main(sys.argv[1])
