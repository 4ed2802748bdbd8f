"""Seconds of the terms of smoothed vector quantization against the softmax whose weights they see."""

import torch
from common import median_seconds, write

from scq.quantizers.regularizers import KNNCE, KNNL2, Entropy, MeanPerplexity, Quantized

SIZES = ((4096, 1024), (16384, 1024), (16384, 8192))
REPEATS = 3


def main() -> None:
    rows = []
    for N, K in SIZES:
        logits, nothing = torch.randn(N, K).requires_grad_(), torch.zeros(N, 1)
        upstream = torch.randn(N, K)

        def forward(logits: torch.Tensor = logits) -> torch.Tensor:
            return logits.softmax(1)

        def both(forward=forward, logits: torch.Tensor = logits, upstream: torch.Tensor = upstream) -> None:
            torch.autograd.grad(forward(), logits, upstream)

        softmax = median_seconds(forward, REPEATS), median_seconds(both, REPEATS)
        rows.append((str(N), str(K), "softmax", *(f"{1e3 * s:.0f}" for s in softmax), "1.00", "1.00"))
        logarithms = logits.detach().log_softmax(1)
        for term in (KNNL2(), KNNCE(), MeanPerplexity(), Entropy()):
            weights, logs = logarithms.exp().requires_grad_(), logarithms.clone().requires_grad_()
            # KNN-CE reads the logarithms, which the softmax gives at the same price.
            source = logs if term.of_logarithms else weights
            quantized = Quantized(nothing, nothing, weights, logs)
            seconds = (
                median_seconds(lambda: term(quantized), REPEATS),  # noqa: B023
                median_seconds(lambda: torch.autograd.grad(term(quantized), source), REPEATS),  # noqa: B023
            )
            ratios = (f"{s / reference:.2f}" for s, reference in zip(seconds, softmax, strict=True))
            rows.append((str(N), str(K), term.name, *(f"{1e3 * s:.0f}" for s in seconds), *ratios))
            del weights, logs, source, quantized
    headings = ("N", "K", "term", "ms forward", "ms both", "forward / softmax", "both / softmax")
    write(
        "regularizers",
        "The terms of smoothed vector quantization",
        headings,
        rows,
        "Forward, and forward and backward together, of the term alone, float32; 8 neighbours. Entropy keeps three "
        "arrays of the size of the weights.",
    )


if __name__ == "__main__":
    main()
