"""What the evaluations of all models share: the mode they are in, and how the codebook is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.calls import StackedUsage, by_name
from scq.quantizers.stacked import places


@contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """The model in evaluation mode without gradients, and its device; its mode is put back afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield next(model.parameters()).device
    finally:
        model.train(training)


class CodebookUse:
    """How a quantizer uses its codebook over all held-out examples.

    Raises:
        ValueError: a soft quantizer that does not return its weights.
    """

    def __init__(self, quantizer: Quantizer) -> None:
        if not getattr(quantizer, "return_weights", True):
            raise ValueError("model.quantizer has return_weights=False, must return its weights to be evaluated")
        self._usage = StackedUsage(quantizer) if any(places(quantizer)) else None
        self._converged, self._latents = 0.0, 0

    def update(self, output: QuantizerOutput) -> None:
        """Counts a batch."""
        if self._usage:
            latents = output.indices.numel()
            self._usage.update(output.indices, output.weights)
            self._converged += float(by_name(output.info).get("converged_share", torch.nan)) * latents
            self._latents += latents

    def compute(self) -> dict[str, float]:
        """hard_perplexity, soft_perplexity, active_codes, support_size and tightness, as
        :meth:`scq.quantizers.usage.Usage.compute` defines them, and converged_share: of the solver, over all latents.
        Of stages and groups the means. NaN without a codebook, and converged_share without a solver."""
        if not self._usage:
            return dict.fromkeys(_NUMBERS, float("nan"))
        return self._usage.compute() | {"converged_share": self._converged / max(self._latents, 1)}


_NUMBERS = (
    "hard_perplexity",
    "soft_perplexity",
    "active_codes",
    "support_size",
    "tightness",
    "converged_share",
)
