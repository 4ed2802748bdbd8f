"""What of torch the layers go with: a table of facts, and for each the check that finds it out.

A check gets a quantizer's name, compares with something that does without the feature, and returns what held: YES, EVAL
(in evaluation, or frozen; refused by name in training), or NO (refused by name).
"""

import contextlib
import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

import scq
from scq.quantizers import Quantizer

YES, EVAL, NO = "yes", "evaluation", "no"
NAMES = ("scq", "scq_relaxed", "vq", "rotation", "vq_ema")
K, F, N = 8, 4, 12
HERE = Path(__file__).parent


def made(name: str, dtype: torch.dtype = torch.float32, **options: int) -> Quantizer:
    torch.manual_seed(1)
    return scq.quantizer(name, K, F, **options).to(dtype)


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=dtype)


def in_both_modes(works: Callable[[Quantizer], None], layer: Quantizer) -> str:
    """YES where it works in training, EVAL where only then in evaluation; in either case refused, not wrong."""
    for verdict in (YES, EVAL):
        try:
            works(layer.train(verdict == YES))
        except RuntimeError as error:
            if "freeze" not in str(error):  # what is refused says what to do
                raise
        else:
            return verdict
    return NO


def autocast(name: str) -> str:
    encoder, layer, x = nn.Linear(F, F), made(name), drawn(N, F)
    with torch.autocast("cpu", torch.bfloat16):
        latents = encoder(x)
        output = copy.deepcopy(layer)(latents)
    assert latents.dtype == output.quantized.dtype == torch.bfloat16 and output.loss.dtype == torch.float32
    plain = layer(latents.detach().float())
    assert torch.equal(output.indices, plain.indices)
    assert_close(output.quantized.float(), plain.quantized, rtol=1e-2, atol=1e-2)
    (output.quantized.float().square().mean() + output.loss).backward()
    assert encoder.weight.grad is not None and encoder.weight.grad.any()
    return YES


def functional(name: str) -> str:
    """functional_call with other tensors, against a layer that has them."""

    def works(layer: Quantizer) -> None:
        other = copy.deepcopy(layer)
        other.set_codebook(drawn(K, F) + 1)
        x, tensors = drawn(N, F), {**dict(other.named_parameters()), **dict(other.named_buffers())}
        lent = functional_call(layer, {key: value.detach().clone() for key, value in tensors.items()}, (x,))
        assert_close(lent.quantized, other(x).quantized)

    return in_both_modes(works, made(name))


def per_sample(name: str) -> str:
    """vmap of grad, against a loop."""

    def works(layer: Quantizer) -> None:
        def loss(z: Tensor) -> Tensor:
            output = layer(z)
            return output.quantized.square().sum() + output.loss

        x = drawn(3, N, F)
        assert_close(vmap(grad(loss))(x), torch.stack([torch.autograd.functional.jacobian(loss, one) for one in x]))

    return in_both_modes(works, made(name))


def jacobian(name: str) -> str:
    """jacrev, against a backward a number."""

    def works(layer: Quantizer) -> None:
        x = drawn(2, F, dtype=torch.float64).requires_grad_()
        found = jacrev(lambda z: layer(z).quantized)(x.detach())
        for n in range(2):
            for f in range(F):
                assert_close(found[n, f], torch.autograd.grad(layer(x).quantized[n, f], x)[0])

    return in_both_modes(works, made(name, torch.float64))


def double_backward(name: str) -> str:
    """The derivative of the gradient along a direction, against central differences of the gradient. Where a gradient
    is passed on, z_q is what that takes it for: q(x) + J (z - x), with the Jacobian J that it has at x."""
    layer, x, along = made(name, torch.float64).eval(), drawn(N, F, dtype=torch.float64), drawn(N, F).double()
    straight = not isinstance(layer, scq.SoftConvexQuantizer)
    at, jacobian = layer(x).quantized.detach(), jacrev(lambda z: layer(z).quantized)(x)

    def gradient(z: Tensor, surrogate: bool = False) -> Tensor:
        output = layer(z)
        quantized = at + torch.tensordot(jacobian, z - x) if surrogate else output.quantized
        return torch.autograd.grad(quantized.sin().sum() + output.loss, z, create_graph=True)[0]

    (second,) = torch.autograd.grad((gradient(leaf := x.clone().requires_grad_()) * along).sum(), leaf)
    step = 1e-5
    ahead, behind = (gradient((x + sign * step * along).requires_grad_(), straight).detach() for sign in (1, -1))
    assert_close((second * along).sum(), ((ahead - behind) * along).sum() / (2 * step), rtol=1e-4, atol=1e-6)
    return YES


def checkpointing(name: str) -> str:
    """torch.utils.checkpoint, against the same without."""

    def works(layer: Quantizer) -> None:
        def value(z: Tensor) -> Tensor:
            output = layer(z)
            return output.quantized.square().sum() + output.loss

        x = drawn(N, F).requires_grad_()
        again = checkpoint(value, x, use_reentrant=False)
        assert isinstance(again, Tensor)
        assert_close(torch.autograd.grad(again, x), torch.autograd.grad(value(x), x))

    return in_both_modes(works, made(name))


def channels_last(name: str) -> str:
    """A picture's latents in that memory format, against the usual one."""
    layer, x = made(name, channel_dim=1).eval(), drawn(2, F, 3, 5)
    found = []
    for memory in (torch.contiguous_format, torch.channels_last):
        z = x.clone(memory_format=memory).requires_grad_()
        output = layer(z)
        found.append((output.quantized, output.indices, *torch.autograd.grad(output.quantized.sin().sum(), z)))
    assert_close(found[0], found[1])
    return YES


@contextlib.contextmanager
def deterministic_algorithms() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def deterministic(name: str) -> str:
    """Twice the same, bit for bit, with torch's switch on."""
    runs = []
    with deterministic_algorithms():
        for _ in range(2):
            layer, x = made(name), drawn(200, F).requires_grad_()
            output = layer(x)
            (output.quantized.sin().sum() + output.loss).backward()
            runs.append([output.quantized, x.grad, *(parameter.grad for parameter in layer.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True) if one is not None)
    return YES


def inference(name: str) -> str:
    layer, x = made(name).eval(), drawn(N, F)
    with torch.inference_mode():
        found = layer(x).quantized
    assert_close(found.clone(), layer(x).quantized)
    return YES


def kept(name: str) -> str:
    """state_dict into a new layer, and a deep copy."""
    layer, x = made(name), drawn(N, F)
    layer(x)
    other = scq.quantizer(name, K, F)
    other.load_state_dict(layer.state_dict(), strict=True)
    for one in (other, copy.deepcopy(layer)):
        assert torch.equal(one.eval()(x).quantized, layer.eval()(x).quantized)
    return YES


def traced(name: str) -> str:
    """torch.jit.trace, on other latents than it was traced with."""

    class Quantized(nn.Module):
        def __init__(self, layer: Quantizer) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).quantized

    module, x = Quantized(made(name)).eval(), drawn(2, N, F)
    try:
        trace = torch.jit.trace(module, x[0], check_trace=False)
    except RuntimeError as error:
        if "torch.export" not in str(error):
            raise
        return NO
    assert_close(trace(x[1]), module(x[1]))
    return YES


@cache
def _graphs() -> dict[str, dict[str, str]]:
    """Of each quantizer what went wrong in one graph, by compile and export, found out in a process without checks."""
    command = [sys.executable, str(HERE / "graphs.py"), "aot_eager", *NAMES]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=580, check=True).stdout)


def compiled(name: str) -> str:
    """torch.compile(fullgraph=True), forward and backward, against the layer as it is."""
    return NO if _graphs()[name]["compile"] else YES


def exported(name: str) -> str:
    """torch.export in evaluation, against the layer as it is."""
    return NO if _graphs()[name]["export"] else EVAL


@cache
def _processes() -> dict[str, str]:
    command = [sys.executable, str(HERE / "two_gradients.py"), *NAMES]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout)


def in_two_processes(name: str) -> str:
    """DistributedDataParallel with half of the latents each, against one process with all."""
    return NO if _processes()[name] else YES


@dataclass(frozen=True)
class Fact:
    """A feature, what is promised of it, and how that is found out.

    Attributes:
        feature: of torch.
        note: what to know.
        check: of a quantizer by name.
        most: what holds of most quantizers.
        but: what holds of others.
        slow: finding out takes a process.
    """

    feature: str
    note: str
    check: Callable[[str], str]
    most: str = YES
    but: dict[str, str] = field(default_factory=dict)
    slow: bool = False

    def of(self, name: str) -> str:
        return self.but.get(name, self.most)


_MOVES = {"vq_ema": EVAL}

FACTS = (
    Fact(
        "`torch.autocast`",
        "The layer leaves it: it computes in float32 or better; the output has the input's type, the loss float32.",
        autocast,
    ),
    Fact(
        "`torch.compile(fullgraph=True)`",
        "One graph, backward too, exact solves in it as one operator. A peer's own derivative breaks the graph.",
        compiled,
        slow=True,
    ),
    Fact("`torch.export`", "`torch.export.save` too; who loads it imports scq first.", exported, most=EVAL, slow=True),
    Fact(
        "`torch.jit.trace`",
        "A trace would have a solution as a constant: take `torch.export`.",
        traced,
        but={"scq": NO, "scq_relaxed": NO},
    ),
    Fact("`torch.utils.checkpoint`", "Moving averages would move twice.", checkpointing, but=_MOVES),
    Fact(
        "`DistributedDataParallel`",
        "Two processes on CPUs were tried. Moving averages and k-means use the latents of all.",
        in_two_processes,
        slow=True,
    ),
    Fact("`torch.func.functional_call`", "With other codewords than the layer's own.", functional),
    Fact(
        "`torch.func.vmap` of `grad`",
        "Gradients a sample; exact backends solve one sample after the other.",
        per_sample,
        but=_MOVES,
    ),
    Fact("`torch.func.jacrev`", "`jacfwd` and `hessian` too.", jacobian, but=_MOVES),
    Fact("double backward", "Gradient penalties; of hard codes that of the gradient passed on.", double_backward),
    Fact("`channels_last`", "With `channel_dim=1`.", channels_last),
    Fact("`torch.use_deterministic_algorithms`", "On CPUs; twice the same bits.", deterministic),
    Fact("`torch.inference_mode`", "", inference),
    Fact("`state_dict`, `copy.deepcopy`", "What a layer needs to go on is in its state.", kept),
)
