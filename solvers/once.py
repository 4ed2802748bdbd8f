"""Derivatives that have none of their own: to differentiate them is refused, where autograd would give a wrong one."""

from typing import Any

import torch
from torch import Tensor


def once(message: str, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, whose derivative raises RuntimeError(message) when it is differentiated."""
    return _Once.apply(message, *tensors)


def refused(message: str, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, whose derivative is RuntimeError(message)."""
    return _Refused.apply(message, *tensors)


class _AsTheyAre(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, message: str, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.message = message
        return tuple(x.view_as(x) for x in tensors)


class _Once(_AsTheyAre):
    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return None, *refused(ctx.message, *upstream)


class _Refused(_AsTheyAre):
    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError(ctx.message)
