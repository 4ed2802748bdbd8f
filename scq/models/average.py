"""Moving averages of a model's weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


class Average(nn.Module):
    r"""An exponential moving average of parameters.

        average <- d average + (1 - d) parameter,   d = min(decay, (1 + t) / (10 + t))

    after step t. The first steps count less, so that a short training is not an average of its start.

    Its tensors are parameters that need no gradient, so that they are saved, and sent to other processes at the start
    and not at each step.

    Args:
        parameters: by name; the average has "/" for ".".
        decay: d, >= 0 and < 1.

    Source: Polyak and Juditsky 1992; the first steps as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.tensors = nn.ParameterDict(
            {_key(name): nn.Parameter(value.detach().clone(), False) for name, value in parameters.items()}
        )

    @torch.no_grad()
    def update(self, parameters: Mapping[str, nn.Parameter], step: int) -> None:
        """After step ``step``, counted from 1."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(
            [self.tensors[_key(name)] for name in parameters], [value.data for value in parameters.values()], weight
        )

    @contextmanager
    def applied(self, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
        """The averages in place of the parameters, which come back at the end."""
        before = {name: value.data for name, value in parameters.items()}
        try:
            for name, value in parameters.items():
                value.data = self.tensors[_key(name)].data
            yield
        finally:
            for name, value in parameters.items():
                value.data = before[name]


def _key(name: str) -> str:
    return name.replace(".", "/")
