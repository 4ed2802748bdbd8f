"""Which quantizers survive as one graph. Run as a script, apart from the tests, whose run-time type checks no compiler
can see through. Takes names, with options after a colon as scq:backend=relaxed; of residual codes in groups, after a
star as *scq. Prints a JSON object: what went wrong for each, "" when nothing did.
"""

import copy
import io
import json
import sys

import torch
from torch import nn
from torch._dynamo.exc import Unsupported
from torch.utils.checkpoint import checkpoint

from scq import Grouped, Residual, quantizer
from scq.quantizers import ComposedQuantizer
from scq.quantizers.assignments import Gumbel

K, F = 12, 4


def compiled(layer: nn.Module, compiler: str) -> str:
    """Forward and backward of a training step as one graph, against the same step without a compiler."""
    x, other = torch.randn(2, 9, F), copy.deepcopy(layer)
    torch._dynamo.reset()
    # AOT autograd draws the noise of Gumbel-softmax, and what is dropped, from another sequence.
    random = any(isinstance(module, (Gumbel, Residual)) for module in layer.modules())
    graph = torch.compile(other, fullgraph=True, backend="eager" if random else compiler)
    gradients = []
    for function, module in ((layer, layer), (graph, other)):
        latents = x.clone().requires_grad_()
        torch.manual_seed(1)
        try:
            quantized, _, loss, *_ = function(latents)
        except Unsupported as error:
            return f"Unsupported: {error}"
        (quantized.square().sum() + loss).backward()
        gradients.append([x.grad for x in (latents, *module.parameters()) if x.grad is not None])
    same = all(
        torch.allclose(a, b) for a, b in zip(layer.state_dict().values(), other.state_dict().values(), strict=True)
    )
    same &= all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(*gradients, strict=True))
    if not same:
        return "the graph computes something else"
    return (
        _computed_again(graph, other)
        if isinstance(other, ComposedQuantizer) and (other.embedding.moves or other.assignment.moves)
        else ""
    )


def _computed_again(graph: nn.Module, layer: nn.Module) -> str:
    """What goes wrong where a backward computes the graph of a layer whose state moves: it must refuse."""
    before = copy.deepcopy(layer.state_dict())
    quantized = checkpoint(graph, torch.randn(2, 9, F, requires_grad=True), use_reentrant=False)[0]
    once = copy.deepcopy(layer.state_dict())
    try:
        quantized.sum().backward()
    except RuntimeError as error:
        same = all(torch.equal(now, then) for now, then in zip(layer.state_dict().values(), once.values(), strict=True))
        moved = not all(torch.equal(now, then) for now, then in zip(once.values(), before.values(), strict=True))
        return "" if "computed a second time" in str(error) and same and moved else f"RuntimeError: {error}"
    return "a backward computes it a second time without a word"


class QuantizedAlone(nn.Module):
    """A model that has no use for the loss and the numbers: a graph leaves out what they come from."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return self.layer(x)[:1]


def exported(layer: nn.Module) -> str:
    """The forward pass of evaluation, and of training, as a graph: of the layer, and within a model."""
    x = torch.randn(2, 9, F)
    for module in (layer, QuantizedAlone(layer)):
        try:
            torch.export.export(module.train(), (x,), strict=True)
            program = torch.export.export(module.eval(), (x,), strict=True)
        except Unsupported as error:
            return f"Unsupported: {error}"
        file = io.BytesIO()
        torch.export.save(program, file)
        file.seek(0)
        graph = torch.export.load(file).module()
        # A graph has dense weights, and sums them in another order.
        if not torch.allclose(graph(x)[0], module(x)[0], atol=1e-6):
            return "the graph computes something else"
    return ""


def made(name: str) -> nn.Module:
    if name.startswith("*"):
        return Grouped(lambda _: Residual(lambda _: quantizer(name[1:], K, F // 2), 2, dropout=0.5), 2)
    name, _, text = name.partition(":")
    options = dict(pair.split("=") for pair in text.split(",") if pair)
    return quantizer(name, int(options.pop("K", K)), F, **options)


def main(compiler: str, names: list[str]) -> None:
    results = {}
    for name in names:
        if name == "peer":
            from vector_quantize_pytorch import VectorQuantize

            layer = VectorQuantize(F, K)
        else:
            layer = made(name)
        results[name] = {"compile": compiled(layer, compiler), "export": exported(layer)}
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
