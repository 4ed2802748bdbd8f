"""Training passes that a backward computes a second time, as :mod:`torch.utils.checkpoint` has it."""

import torch
from torch import Tensor

from scq.solvers.transforms import transformed


def within_backward() -> bool:
    """Whether a backward computes this, as what torch.utils.checkpoint wraps is computed a second time."""
    return torch._C._current_graph_task_id() != -1  # no public name says so


def refuse_second_pass(flag: Tensor) -> None:
    """Raises within a backward, for a quantizer whose state moves while it is trained.

    The second time it would see other codewords, or another temperature, than the first: the gradients would be those
    of a step that never was, and the state would move twice.

    Args:
        flag: a buffer of the layer. It stays as it is; a compiled graph would drop an operator that changes nothing.

    Raises:
        RuntimeError: within a backward.
    """
    if torch.compiler.is_compiling():
        # A graph is made once, and cannot ask in which pass it runs; its operator asks at each.
        torch.ops.scq.refuse_second_pass(flag)
    elif within_backward():
        raise RuntimeError(
            "a quantizer whose state moves while it is trained (a moving average, a schedule) is computed a second "
            "time, in a backward: its gradients would be those of another step. Leave it out of what "
            "torch.utils.checkpoint wraps, or freeze it"
        )


def refuse_transforms() -> None:
    """Raises within torch.func's transforms, for a quantizer whose state moves while it is trained.

    Raises:
        RuntimeError: within a transform.
    """
    if transformed():
        raise RuntimeError(
            "a quantizer whose state moves while it is trained (a k-means start, a moving average, a schedule) is "
            "computed within one of torch.func's transforms, which let no state move: call eval() or freeze() first"
        )


@torch.library.custom_op("scq::refuse_second_pass", mutates_args=("flag",))
def _refuse_second_pass(flag: Tensor) -> None:
    refuse_second_pass(flag)


@_refuse_second_pass.register_fake
def _(flag: Tensor) -> None:
    return None
