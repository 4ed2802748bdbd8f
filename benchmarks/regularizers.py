"""Seconds of the terms of smoothed vector quantization against the softmax whose weights they see."""

from collections.abc import Callable
from functools import partial

import torch
from common import Round, medians, run, together, write
from torch import Tensor

from scq.quantizers.regularizers import KNNCE, KNNL2, Entropy, MeanPerplexity, Quantized

SIZES = ((4096, 1024), (16384, 1024), (16384, 8192))
REPEATS = 3


def both(forward: Callable[[], Tensor], source: Tensor, upstream: Tensor | None = None) -> None:
    """Forward and backward."""
    torch.autograd.grad(forward(), source, upstream)


def measure() -> Round:
    """Milliseconds, in turns."""
    found: Round = {}
    for N, K in SIZES:
        logits, nothing = torch.randn(N, K).requires_grad_(), torch.zeros(N, 1)
        softmax = partial(logits.softmax, 1)
        logarithms = logits.detach().log_softmax(1)
        for term in (KNNL2(), KNNCE(), MeanPerplexity(), Entropy()):
            weights, logs = logarithms.exp().requires_grad_(), logarithms.clone().requires_grad_()
            # KNN-CE reads the logarithms, which the softmax gives at the same price.
            source = logs if term.of_logarithms else weights
            value = partial(term, Quantized(nothing, nothing, weights, logs))
            functions = {
                "softmax": softmax,
                "softmax, both": partial(both, softmax, logits, torch.randn(N, K)),
                "term": value,
                "term, both": partial(both, value, source),
            }
            seconds = medians(functions, REPEATS)
            found[f"{N}, {K}, {term.name}"] = {name: 1e3 * value for name, value in seconds.items()}
    return found


def publish(rounds: list[Round]) -> None:
    rows = [
        (
            *place.split(", "),
            *own.values(),
            *(own[f"term{part}"].over(own[f"softmax{part}"]) for part in ("", ", both")),
        )
        for place, own in together(rounds).items()
    ]
    headings = (
        "N",
        "K",
        "term",
        "softmax, ms",
        "softmax, forward + backward",
        "term, ms",
        "term, forward + backward",
        "forward / softmax",
        "both / softmax",
    )
    write(
        "regularizers",
        "The terms of smoothed vector quantization",
        headings,
        rows,
        "Forward, and forward and backward together, of the term alone, float32; 8 neighbours. Entropy keeps three "
        "arrays of the size of the weights.",
    )


if __name__ == "__main__":
    run(measure, publish)
