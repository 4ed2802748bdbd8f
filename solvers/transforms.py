"""Inside of torch.func's transforms (grad, vmap, jacrev, jvp and what is made of them), which see through torch alone.

There tensors are wrapped: they have no memory that a kernel or a peer could read, and below vmap no single value that a
decision could be made by. What needs either is computed on the plain tensors beneath, sample by sample.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad


def transformed() -> bool:
    """True inside of a transform."""
    # No public name says so; torch.autograd.Function asks this one. A compiler sees through no such question.
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def mapped(tensor: Tensor | None) -> bool:
    """True of what ``torch.autograd.grad(is_grads_batched=True)`` hands to a backward pass: many gradients in one, by a
    vmap that is none of torch.func's."""
    return tensor is not None and torch._C._functorch.is_legacy_batchedtensor(tensor)


def outside(function: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
    """function(*tensors) on the plain tensors, as constants of every transform.

    Args:
        function: gives tensors. Below vmap it is called once a sample; where its results are of several shapes there,
            they are padded with zeros at the end.
    """
    return _Outside.apply(function, *tensors) if transformed() else function(*tensors)


def inspect(check: Callable[..., None], *tensors: Tensor) -> None:
    """check(*tensors) on the plain tensors, for what it raises or warns of."""
    if not transformed():
        return check(*tensors)

    def function(*plain: Tensor) -> tuple[Tensor]:
        check(*plain)
        return (torch.zeros((), dtype=torch.bool, device=plain[0].device),)

    _Outside.apply(function, *tensors)
    return None


class _Outside(torch.autograd.Function):
    @staticmethod
    def forward(function: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
        return function(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output)
        ctx.results = len(output)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[None, ...]:
        return (None,) * len(ctx.needs_input_grad)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[None, ...]:
        return (None,) * ctx.results

    @staticmethod
    def vmap(info: Any, in_dims: tuple, function: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple:
        samples = [
            _Outside.apply(
                function, *[x if d is None else x.select(d, i) for x, d in zip(tensors, in_dims[1:], strict=True)]
            )
            for i in range(info.batch_size)
        ]
        results = tuple(_stacked(each) for each in zip(*samples, strict=True))
        return results, (0,) * len(results)


def _stacked(samples: Sequence[Tensor]) -> Tensor:
    shape = [max(sizes) for sizes in zip(*[x.shape for x in samples], strict=True)]
    return torch.stack(
        [pad(x, [n for d in reversed(range(x.dim())) for n in (0, shape[d] - x.shape[d])]) for x in samples]
    )
