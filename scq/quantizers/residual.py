"""Residual codes: each quantizer takes what the ones before it left."""

import functools
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scq.quantizers.base import QuantizerOutput
from scq.quantizers.checks import at_least_one, share
from scq.quantizers.layout import check_floating, check_mask, positions
from scq.quantizers.stacked import Make, StackedQuantizer


class Residual(StackedQuantizer):
    r"""Several stages, each of which quantizes what the stages before it left.

        r_1 = z,   q_s = Q_s(r_s),   r_{s+1} = r_s - q_s,   z_q = sum_s q_s,   loss = sum_s loss_s

    with Q_s the quantizer of stage s. Soft quantizers are differentiated as it stands here: what a stage makes of z
    changes what the next ones get. Of codewords, whose derivative is made for them (straight through, rotation), the
    residual takes q_s as a constant, so that the loss of every stage reaches z, and z_q passes the mean of the stages'
    gradients: of straight-through stages the gradient itself, whatever their number.

    A code can be cut off: the first stages alone are a coarser one, and ``decode`` takes it. For that a model is
    trained with quantizer dropout: for a share of the examples of a training batch, the number of stages is drawn
    uniformly from 1 to all. Stages that an example goes without have the index -1 and weights of 0 for it, and it
    counts neither in their loss nor in their ``info`` nor in what their codebook follows.

    Args:
        make: makes the quantizer of each stage, from its number: ``lambda stage: scq.quantizer("vq", 64, 16)``.
            Or one quantizer, whose codebook all stages share; it must be one that no training step moves but by its
            gradient: no moving average and no schedule.
        stages: their number, S.
        dropout: share of the training examples whose number of stages is drawn.

    Shapes: ``indices`` (..., S), ``weights`` (..., S, K), the numbers of ``info`` (S,); of stages that are grouped
    (..., G, S), (..., G, S, K) and (G, S). The weights are None unless all stages have some, ``info`` has what all
    stages have.

    In half precision the residuals are kept in float32.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.

    Source: Zeghidour et al., SoundStream, arXiv 2107.03312, Algorithm 1 and section III.C (a dropout of 1); Kumar et
    al., arXiv 2306.06546 (of a share of the examples; the sum of the losses). That the loss of later stages must reach
    z, and z_q pass the gradient once: https://github.com/facebookresearch/encodec/issues/25.
    """

    def __init__(self, make: Make, stages: int, dropout: float = 0.0) -> None:
        super().__init__("stages", stages, make)
        self.dropout = share("dropout", dropout)
        dims = [part.dim for part in self.parts()]
        if len(set(dims)) > 1:
            raise ValueError(f"make gives quantizers with dim {dims}, must give the same for each stage")
        self.dim = dims[0]

    def first(self, stages: int) -> "Residual":
        """The coarser code of the first stages alone, whose quantizers it shares.

        Raises:
            TypeError, ValueError: stages is no integer from 1 to their number.
        """
        if at_least_one("stages", stages) > self.number:
            raise ValueError(f"stages is {stages}, must be at most {self.number}")
        coarse = Residual(self.layers[0] if len(self.layers) < self.number else self.layers.__getitem__, stages)
        coarse.dropout, coarse.training = self.dropout, self.training
        return coarse

    def first_channels(self) -> Sequence[int]:
        return [0] * self.number

    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes x, stage after stage.

        Raises:
            TypeError, ValueError: as its quantizers.
        """
        check_floating("x", x)
        check_mask(x, mask, self.channel_dim)
        kept = self._kept(positions(x, self.channel_dim), x.device) if self.training and self.dropout else None
        residual = x.to(torch.promote_types(x.dtype, torch.float32))
        soft, outputs = self.soft, []
        for stage, part in enumerate(self.parts()):
            own = mask if kept is None else kept > stage if mask is None else (kept > stage) & mask
            output = part(residual, own)
            residual = residual - (output.quantized if soft else output.quantized.detach())
            outputs.append(output if kept is None else _marked(output, kept <= stage, mask))
        quantized = self._joined([output.quantized for output in outputs])
        if not soft:
            stages = self.number if kept is None else kept.unsqueeze(self.channel_dim)
            quantized = quantized.detach() + (quantized - quantized.detach()) / stages
        loss = torch.stack([output.loss for output in outputs]).sum()
        return self._stacked(quantized.to(x.dtype), outputs, loss)

    def _kept(self, shape: torch.Size, device: torch.device) -> Tensor:
        """How many stages each position has: drawn for each example, the first dimension."""
        drawn = torch.randint(1, self.number + 1, shape[:1], device=device)
        drawn = drawn.where(torch.rand(shape[:1], dtype=torch.float32, device=device) < self.dropout, self.number)
        return drawn.reshape((*shape[:1], *[1] * len(shape[1:]))).expand(shape)

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        return functools.reduce(torch.add, parts)

    def _check_number(self, indices: Tensor) -> None:
        if indices.dim() == 0 or not 1 <= indices.shape[-1] <= self.number:
            shape = tuple(indices.shape)
            raise ValueError(f"indices has shape {shape}, must be (..., n) with the first n stages of {self.number}")

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dropout={self.dropout}, shared={len(self.layers) < self.number}"


def _marked(output: QuantizerOutput, dropped: Tensor, mask: Tensor | None) -> QuantizerOutput:
    """With the index -1 where the stage was dropped. Padding has 0, as everywhere."""
    if mask is not None:
        dropped = dropped & mask
    dropped = dropped.reshape((*dropped.shape, *[1] * (output.indices.dim() - dropped.dim())))
    return QuantizerOutput(output[0], output.indices.masked_fill(dropped, -1), *output[2:])
