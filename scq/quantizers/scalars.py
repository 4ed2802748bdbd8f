"""Positive numbers of a quantizer that change while it is trained: on a schedule, or by their gradient."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scq.quantizers.checks import at_least_one, positive

_LEAST = 1e-8
"""What a learned number stays above."""


class Scalar(nn.Module, ABC):
    """A positive number. Each quantizer needs one of its own: two that share one both count their steps in it.

    ``float(scalar)`` is its value for people; it waits for the device.
    """

    @abstractmethod
    def forward(self) -> Float[Tensor, ""]:
        """Its value in the next training step, and in evaluation, in float64."""

    def advance(self) -> None:
        """Counts a training step of the quantizer that it belongs to."""

    def __float__(self) -> float:
        return float(self().detach())


class Geometric(Scalar):
    r"""From one value to another by a constant factor a step, and then held.

        value = start (end / start)^min(s / steps, 1)

    with s the training steps that the quantizer has seen: its forward passes in training mode. In evaluation, and when
    the quantizer is frozen, the value stays what it is.

    Args:
        start, end: the first and the last value, > 0.
        steps: training steps from one to the other, >= 1.

    Buffers:
        step: s, saved, so that training goes on at its value.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.
    """

    step: Tensor

    def __init__(self, start: float, end: float, steps: int) -> None:
        super().__init__()
        self.start, self.end = positive("start", start), positive("end", end)
        self.steps = at_least_one("steps", steps)
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self) -> Float[Tensor, ""]:
        # The whole schedule on the device: asking the host for the step would wait, and break a compiled graph.
        return self.start * (self.end / self.start) ** (self.step.double() / self.steps).clamp_max(1.0)

    def advance(self) -> None:
        self.step.add_(1)

    def extra_repr(self) -> str:
        return f"start={self.start}, end={self.end}, steps={self.steps}"


class Learned(Scalar):
    """1e-8 + exp(a) with a learned, so that whatever the optimiser does to a, the number is above 1e-8.

    Far below that a solve is singular, and its derivative, which a is moved by, is not resolved any more.

    Weight decay draws a to 0, and the number to 1: leave ``logarithm`` out of it, as one leaves out biases.

    Args:
        start: where it starts, > 1e-8.

    Learned:
        logarithm: a, natural.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        self.start = positive("start", start)
        if self.start <= _LEAST:
            raise ValueError(f"start is {start}, must be > {_LEAST}")
        self.logarithm = nn.Parameter(torch.tensor(self.start - _LEAST).log())

    def forward(self) -> Float[Tensor, ""]:
        # Not a clamp, below which there is no gradient that leads back.
        return _LEAST + self.logarithm.double().exp()

    def extra_repr(self) -> str:
        return f"start={self.start}"
