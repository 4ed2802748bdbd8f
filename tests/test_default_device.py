"""The default device and dtype are those of a user's new tensors: what solvers and layers compute with has its own."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import scq
from scq import quantizers, solvers
from scq.solvers.synthetic import hull

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("solvers/**/*.py"), *ROOT.glob("scq/*.py"), *ROOT.glob("scq/[dqt]*/**/*.py")]

WITH_DEVICE = {"arange", "as_tensor", "asarray", "randint", "randperm", "scalar_tensor", "tril_indices", "triu_indices"}
WITH_BOTH = {"empty", "eye", "full", "linspace", "logspace", "normal", "ones", "rand", "randn", "tensor", "zeros"}


def unplaced(source: str) -> list[str]:
    """The tensors made without a device, or with the default dtype where that decides; but those of a layer's own."""
    tree = ast.parse(source)
    of_layers = set()
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called == "nn.Parameter" or called.endswith("register_buffer"):
            of_layers |= set(ast.walk(node))
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or node in of_layers or not isinstance(node.func, ast.Attribute):
            continue
        if ast.unparse(node.func.value) != "torch" or node.func.attr not in WITH_DEVICE | WITH_BOTH:
            continue
        wanted = {"device", "dtype"} if node.func.attr in WITH_BOTH else {"device"}
        if wanted - {keyword.arg for keyword in node.keywords}:
            found.append(ast.unparse(node))
    return found


def test_every_tensor_but_a_layers_own_names_its_device_and_dtype() -> None:
    assert len(SOURCES) > 80
    found = {path.relative_to(ROOT).as_posix(): unplaced(path.read_text()) for path in SOURCES}
    # What layers start from, before they have it as parameter or buffer.
    assert len(found.pop("scq/quantizers/codebooks/start.py")) == 2
    for name in ("scq/quantizers/codebooks/fixed_grid.py", "scq/quantizers/assignments/rounding.py"):
        found.pop(name)
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "source", ["torch.arange(3)", "torch.zeros(3, device=x.device)", "torch.full((3,), 1, dtype=x)"]
)
def test_a_tensor_that_does_not_is_noticed(source: str) -> None:
    assert unplaced(source) == [source]


@contextmanager
def elsewhere() -> Iterator[None]:
    """Everything that is made without a word becomes float64 without memory; "meta" stands for a GPU here."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            yield
    finally:
        torch.set_default_dtype(torch.float32)


def solved(backend: str, gradient: str) -> list[torch.Tensor]:
    with torch.device("cpu"):
        latents, codebook = (x.to(torch.float32).requires_grad_() for x in hull(8, 4, 16))
        factors = torch.linspace(-1, 1, 16, dtype=torch.float32)
    # One column that is not finite, so that failures are treated too.
    given = torch.cat([latents, torch.full_like(latents[:1], torch.nan)])
    solution = solvers.solve(solvers.Problem(given, codebook), backend, throw=False, gradient=gradient)
    assert not solution.failed[:8].any(), solution.errors
    loss = (solution.weights[:8] * factors).sum() + solution.reconstruction.square().sum()
    loss.backward()
    tensors = [
        solution.weights,
        solution.status,
        solution.iterations,
        solution.residuals.relative,
        solution.residuals.gap,
    ]
    return [*tensors, latents.grad, codebook.grad]


@pytest.mark.parametrize("info", solvers.backends(), ids=lambda info: info.name)
def test_a_solve_is_the_same_whatever_the_defaults_are(info: solvers.BackendInfo) -> None:
    if not info.available:
        pytest.skip(str(info.why_not))
    for gradient in info.gradient:
        expected = solved(info.name, gradient)
        with elsewhere():
            found = solved(info.name, gradient)
        for one, other in zip(found, expected, strict=True):
            # Not to the last bit: ProxQP starts from memory that nobody has cleared, and repeats itself to 1e-16.
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)


def quantized(layer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Three training steps, the first of which may start the codebook, and one of evaluation."""
    with torch.device("cpu"):
        torch.manual_seed(1)
        x = torch.randn(3, 40, 4, dtype=torch.float32)
        mask = torch.arange(120).reshape(3, 40) % 7 > 0
    named = {}
    for n in range(4):
        layer.train(n < 3)
        latents = x.clone().requires_grad_()
        torch.manual_seed(2)
        output = layer(latents, mask) if n % 2 else layer(latents)
        (output.quantized.square().sum() + output.loss).backward()
        named |= {f"{n} latents.grad": latents.grad, f"{n} quantized": output.quantized, f"{n} loss": output.loss}
        named |= {f"{n} indices": output.indices} | {f"{n} {key}": value for key, value in output.info.items()}
    named |= {
        f"{key}.grad": parameter.grad for key, parameter in layer.named_parameters() if parameter.grad is not None
    }
    return named | dict(layer.state_dict())


@pytest.mark.parametrize("entry", quantizers.entries(), ids=lambda entry: entry.name)
def test_a_layer_computes_the_same_whatever_the_defaults_are(entry: quantizers.QuantizerInfo) -> None:
    layers = []
    for _ in range(2):
        torch.manual_seed(0)
        layers.append(scq.quantizer(entry.name, 15, 4))
    expected = quantized(layers[0])
    with elsewhere():
        found = quantized(layers[1])
    assert found.keys() == expected.keys()
    differing = [
        name for name, x in found.items() if x.dtype != expected[name].dtype or not torch.equal(x, expected[name])
    ]
    assert differing == []
