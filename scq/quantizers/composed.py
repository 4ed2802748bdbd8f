"""A quantizer put together from parts."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scq.quantizers.assignments import Assigned, Assignment
from scq.quantizers.base import CodebookQuantizer, QuantizerOutput
from scq.quantizers.codebooks import Codebook
from scq.quantizers.combination import check_combination
from scq.quantizers.gradients import Gradient
from scq.quantizers.layout import check_floating, from_rows, positions
from scq.quantizers.means import mean, mean_row
from scq.quantizers.regularizers import Quantized, Regularizer
from scq.quantizers.regularizers.regularizer import total
from scq.quantizers.usage import SUPPORT, counts, perplexity


class ComposedQuantizer(CodebookQuantizer):
    r"""The four choices by which quantizers differ, made one by one.

        latents -> assignment with the codebook -> what the gradient makes of it;   loss = sum_r weight_r term_r

    Args:
        codebook_size: K, the number of codewords.
        dim: F, the number of channels of a latent.
        codebook: what holds and moves the codewords, of :mod:`scq.quantizers.codebooks`.
        assignment: how a latent finds its code, of :mod:`scq.quantizers.assignments`.
        gradient: how a gradient passes, of :mod:`scq.quantizers.gradients`.
        regularizers: the terms of the loss, of :mod:`scq.quantizers.regularizers`.
        channel_dim: where the channels of the input are: -1 for (..., F), 1 for (B, F, H, W).
        init: ``"normal"``, ``"uniform"`` or ``"kmeans"``, see :func:`scq.quantizers.codebook.initial_codebook`; kinds
            of codebook that prescribe their start take ``"normal"`` only.

    ``torch.compile(fullgraph=True)`` and ``torch.export`` take it whatever the parts are; with ``init="kmeans"`` after
    one training step.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be; or the parts that do not go
            together, and why.

    Soft convex assignments have a layer of their own, :class:`SoftConvexQuantizer`, for the same codebooks and
    regularisers.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        codebook: Codebook,
        assignment: Assignment,
        gradient: Gradient,
        regularizers: Sequence[Regularizer] = (),
        channel_dim: int = -1,
        init: str = "normal",
    ) -> None:
        super().__init__(codebook_size, dim, channel_dim, init, codebook, regularizers)
        for name, part, kind in (("assignment", assignment, Assignment), ("gradient", gradient, Gradient)):
            if not isinstance(part, kind):
                raise TypeError(f"{name} is {part!r}, must be an instance of {kind.__name__}")
        check_combination(codebook, assignment, gradient, self.regularizers)
        self.assignment, self.gradient = assignment, gradient

    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes x.

        float16 and bfloat16 are computed with in float32, also under autocast.

        Returns:
            ``weights``: (..., K), in the dtype of x; None when they are the one-hot vectors of ``indices``. ``info``
            has hard_perplexity and active_codes of this batch, and where there are weights soft_perplexity, and
            support_size and largest_weight, means over latents.

        Raises:
            TypeError, ValueError: x of another dtype or number of channels than the layer's, or a mask of another
                dtype or shape than that of the latents.
        """
        check_floating("x", x)
        with torch.autocast(x.device.type, enabled=False):
            valid = self._valid(x, mask)
            rows, codebook = self._rows(x, valid)
            if valid is not None:
                # What padding holds must not come near a sum: NaN times 0 is NaN.
                rows = torch.where(valid[:, None], rows, 0.0)
            latents = self.kind.enter(self, rows)
            assigned: Assigned = self.assignment(latents, codebook)
            reconstruction = assigned.source if self.gradient.soft else assigned.codeword
            quantized = Quantized(latents, reconstruction, assigned.weights, assigned.log_weights, valid)
            loss = total(self.regularizers, quantized)
            output = self.kind.leave(self, self.gradient(assigned))
            if self.training and not self._frozen:
                self.kind.observe(self, latents, assigned.indices, valid)
                self.assignment.advance()
            info = self._info(assigned, valid)
        return self._output(x, output, assigned, loss, valid, info)

    def _output(
        self,
        x: Tensor,
        rows: Tensor,
        assigned: Assigned,
        loss: Tensor,
        valid: Tensor | None,
        info: dict[str, Tensor],
    ) -> QuantizerOutput:
        indices, weights = assigned.indices, assigned.weights
        if valid is not None:
            rows, indices = torch.where(valid[:, None], rows, 0.0), torch.where(valid, indices, 0)
            weights = None if weights is None else torch.where(valid[:, None], weights, 0.0)
        shape = positions(x, self.channel_dim)
        return QuantizerOutput(
            from_rows(rows.to(x.dtype), x, self.channel_dim),
            indices.reshape(shape),
            loss,
            None if weights is None else weights.to(x.dtype).reshape(*shape, self.codebook_size),
            info,
        )

    @torch.no_grad()
    def _info(self, assigned: Assigned, valid: Bool[Tensor, " N"] | None) -> dict[str, Tensor]:
        used = counts(assigned.indices, self.codebook_size, valid)
        info = {"hard_perplexity": perplexity(used), "active_codes": (used > 0).sum()}
        if assigned.weights is not None:
            weights = assigned.weights.detach()
            support: Int[Tensor, " N"] = (weights > SUPPORT).sum(1)
            info |= {
                "soft_perplexity": perplexity(mean_row(weights, valid)),
                "support_size": mean(support.to(weights.dtype), valid),
                "largest_weight": mean(weights.amax(1), valid),
            }
        return info

    def _learned(self) -> list[nn.Parameter]:
        return [*super()._learned(), *self.assignment.parameters()]

    def _state_moves(self) -> bool:
        return self.kind.moves or type(self.assignment).advance is not Assignment.advance

    def _derive(self, device: torch.device) -> None:
        super()._derive(device)
        self.assignment.derive(device)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.gradient}, regularizers={list(self.regularizers)}"
