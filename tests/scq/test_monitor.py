"""What a monitor records of models that are none of ours, and that it changes nothing in them."""

import copy
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn.functional import mse_loss
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import scq
from scq import Grouped, Monitor, Residual, SoftConvexQuantizer


class InTransformer(nn.Module):
    """A layer among the layers of torch's transformer, which all take a mask by name and return one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = SoftConvexQuantizer(16, 8)

    def forward(self, src: Tensor, src_key_padding_mask: Tensor | None = None, **_: Any) -> Tensor:
        mask = None if src_key_padding_mask is None else src_key_padding_mask == 0
        return self.layer(src, mask=mask).quantized


def transformer() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False)
    model.layers.insert(1, InTransformer())
    x = torch.randn(3, 7, 8)
    padded = torch.arange(7) >= torch.tensor([[7], [5], [2]])
    return model, lambda model: model(x, src_key_padding_mask=padded).square().mean()


class Pictures(nn.Module):
    """A convolutional autoencoder with what has a state in training: batch norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.quantizer = SoftConvexQuantizer(16, 8, channel_dim=1, init="kmeans")
        self.decoder = nn.Sequential(nn.BatchNorm2d(8), nn.Dropout(), nn.ConvTranspose2d(8, 3, 4, 2, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        quantized, _, loss, *_ = self.quantizer(self.encoder(x))
        return self.decoder(quantized), loss


X = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def pictures() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    def loss(model: nn.Module) -> Tensor:
        reconstruction, loss = model(X)
        return mse_loss(reconstruction, X) + loss

    return Pictures(), loss


class Sequences(nn.Module):
    """A recurrent network with three quantizers, one of them without weights, in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(5, 12, batch_first=True), nn.Linear(12, 5)
        names = ("scq", "vq_ema", "scq_relaxed")
        self.quantizers = nn.ModuleList(scq.quantizer(name, 9, 4) for name in names)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        outputs = [layer(part) for layer, part in zip(self.quantizers, self.gru(x)[0].split(4, -1), strict=True)]
        losses = torch.stack([output.loss for output in outputs])
        return self.head(torch.cat([output.quantized for output in outputs], -1)), losses.sum()


def sequences() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    x = torch.randn(3, 6, 5)

    def loss(model: nn.Module) -> Tensor:
        predicted, loss = model(x)
        return mse_loss(predicted[:, :-1], x[:, 1:]) + loss

    return Sequences(), loss


MODELS = {
    transformer: ["layers.1.layer"],
    pictures: ["quantizer"],
    sequences: ["quantizers.0", "quantizers.1", "quantizers.2"],
}


def train(model: nn.Module, loss_of: Callable[[nn.Module], Tensor], steps: int = 5) -> list[Tensor]:
    """Everything that a training run leaves: gradients of each step, the state, and what is drawn next."""
    torch.manual_seed(1)
    optimizer, left = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model).backward()
        left += [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        optimizer.step()
    return [x.clone() for x in (*left, *model.state_dict().values(), torch.get_rng_state())]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def losses_of(model: nn.Module) -> dict[str, Callable[[Tensor], Tensor]]:
    """That of pictures goes through the state of the decoder; that of sequences through other quantizers."""
    if isinstance(model, Pictures):
        return {"quantizer": lambda quantized: mse_loss(model.decoder(quantized), X)}
    if isinstance(model, Sequences):
        return {"quantizers.2": lambda quantized: model.quantizers[1](quantized).quantized.square().mean()}
    return {"layers.1.layer": lambda quantized: model.layers[2](quantized).mean()}  # pyrefly: ignore


@pytest.mark.parametrize("with_losses", [False, True])
@pytest.mark.parametrize("made", MODELS, ids=lambda made: made.__name__)
def test_training_is_the_same_bit_for_bit_and_every_quantizer_is_recorded(made: Callable, with_losses: bool) -> None:
    model, loss_of = made()
    other, heard = copy.deepcopy(model), []
    alone = train(model, loss_of)
    losses = losses_of(other) if with_losses else None
    with Monitor(other, 2, loss=losses, callback=lambda step, numbers: heard.append((step, numbers))) as monitor:
        assert same(train(other, loss_of), alone)
    names = MODELS[made]
    assert [step for step, _ in heard] == [step for step in (0, 2, 4) for _ in names]
    for step, numbers in heard:
        assert all(monitor.history[name][step] == value for name, value in numbers.items())
    for name in names:
        assert list(monitor.history[f"{name}/hard_perplexity"]) == [0, 2, 4]
    exact = {name: monitor.history[f"{name}/kkt_relative"][4] for name in names if name != "quantizers.1"}
    assert exact.pop("quantizers.2", 1.0) > 1e-3
    assert max(exact.values()) < 1e-4
    for name in exact:
        assert monitor.history[f"{name}/converged_share"][4] == 1 and monitor.history[f"{name}/failed_columns"][4] == 0
        assert monitor.history[f"{name}/gap/weights_l2"][4] > 0.01
    assert not any(name.startswith("quantizers.1/gap") for name in monitor.history)
    with_loss = {name.rpartition("/gap/")[0] for name in monitor.history if name.endswith("/gap/decoded_loss_exact")}
    assert with_loss == set(losses or ())


def test_the_numbers_are_those_of_the_layer_and_of_the_gap() -> None:
    layer, x = SoftConvexQuantizer(16, 4, lam=0.2), torch.randn(2, 9, 4)
    target = torch.randn(2, 9, 4)
    monitor = Monitor(layer, loss=lambda quantized: mse_loss(quantized, target) / 0.7)
    layer(x)
    monitor.remove()
    layer.diagnose = True
    expected = {name: value.item() for name, value in layer(x).info.items()}
    expected["kkt_relative"] = pytest.approx(expected["kkt_relative"])
    gap = scq.measure_gap(
        x.reshape(-1, 4), layer.codebook, 0.2, decode=nn.Identity(), target=target.reshape(-1, 4), variance=0.7
    )
    for name, value in gap.items():
        if name != "seconds" and not name.startswith("decoded"):
            expected[f"gap/{name}"] = pytest.approx(value, rel=1e-4, abs=1e-6)
    expected["gap/decoded_loss_exact"] = pytest.approx(gap["decoded_mse_exact"] / 0.7, rel=1e-5)
    found = {name: values[0] for name, values in monitor.history.items()}
    assert {name: found[name] for name in expected} == expected


def staged() -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    """Groups of residual codes, with stages that are dropped, and stages that share a codebook."""
    x = torch.randn(6, 5, 8)

    def make(group: int) -> Residual:
        return Residual(lambda _: SoftConvexQuantizer(9, 4), 2, dropout=0.5)

    layers = [nn.Linear(8, 8), Grouped(make, 2), nn.Linear(8, 8), Residual(SoftConvexQuantizer(9, 8), 3)]

    def loss(model: nn.Module) -> Tensor:
        first, grouped, second, shared = model.children()
        output = grouped(first(x))
        again = shared(second(output.quantized))
        return mse_loss(again.quantized, x) + output.loss + again.loss

    return nn.Sequential(*layers), loss


@pytest.mark.parametrize("with_losses", [False, True])
def test_each_stage_and_group_is_recorded_with_its_gap(with_losses: bool) -> None:
    model, loss_of = staged()
    other = copy.deepcopy(model)
    alone = train(model, loss_of, 3)
    losses = {"1": lambda quantized: other[2](quantized).square().mean(), "3": torch.sum} if with_losses else None
    with Monitor(other, 2, loss=losses) as monitor:
        assert same(train(other, loss_of, 3), alone)
    for name, indices in (("1", ["0/0", "0/1", "1/0", "1/1"]), ("3", ["0", "1", "2"])):
        for number in ("kkt_relative", "gap/kkt_exact", "gap/weights_l2", "active_codes"):
            assert list(monitor.history[f"{name}/{number}"]) == [0, 2]
            values = [monitor.history[f"{name}/{number}/{index}"][2] for index in indices]
            together = max(values) if "kkt" in number else sum(values) / len(values)
            assert monitor.history[f"{name}/{number}"][2] == pytest.approx(together)
        assert max(monitor.history[f"{name}/kkt_relative"].values()) < 1e-4
        assert (f"{name}/gap/decoded_loss_exact/{indices[-1]}" in monitor.history) == with_losses
    assert not any(".layers." in name for name in monitor.history)
    assert not any(layer.diagnose for layer in other.modules() if isinstance(layer, SoftConvexQuantizer))


class Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_pass_that_is_not_recorded_computes_nothing_more() -> None:
    model, loss_of = pictures()
    loss_of(model)  # the start by k-means
    calls = []
    monitor = Monitor(model, 100)
    for monitored in (True, True, False):
        if not monitored:
            monitor.remove()
        assert not model.quantizer.diagnose
        with Counting() as counting:
            loss_of(model).backward()
        calls.append(counting.calls)
    recorded, unrecorded, alone = calls
    assert unrecorded == alone
    assert len(recorded) > len(alone)


def test_nothing_of_it_is_left_in_the_model() -> None:
    model, loss_of = sequences()
    before = [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model.modules()]
    always = [dict(m._forward_hooks_always_called) for m in model.modules()]
    with Monitor(model) as monitor:
        loss_of(model)
    assert [(dict(m._forward_hooks), dict(m._forward_pre_hooks)) for m in model.modules()] == before
    assert [dict(m._forward_hooks_always_called) for m in model.modules()] == always
    recorded = copy.deepcopy(monitor.history)
    monitor.remove()
    loss_of(model)
    assert monitor.history == recorded


def test_a_layer_that_raises_does_not_stay_diagnosed(as_a_user: None) -> None:
    layer = SoftConvexQuantizer(16, 4)
    with Monitor(layer, 2) as monitor:
        with pytest.raises(ValueError, match="channels"):
            layer(torch.randn(3, 5))
        assert not layer.diagnose and not monitor.history
        layer.diagnose = True
        layer(torch.randn(3, 4))
        layer(torch.randn(3, 4))
        assert layer.diagnose
    assert list(monitor.history["lam"]) == [2]


@pytest.mark.parametrize("with_loss", [False, True])
@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_backward_computes_again_is_recorded_once(reentrant: bool, with_loss: bool) -> None:
    model, _ = pictures()
    model(X)  # the start by k-means, which no pass computed twice can do
    other = copy.deepcopy(model)

    def loss_of(model: nn.Module) -> Tensor:
        reconstruction, loss = checkpoint(model, X.clone().requires_grad_(), use_reentrant=reentrant)
        return mse_loss(reconstruction, X) + loss

    alone = train(model, loss_of, 3)
    loss = (lambda quantized: mse_loss(other.decoder(quantized), X)) if with_loss else None
    with Monitor(other, 1, loss=loss) as monitor:
        assert same(train(other, loss_of, 3), alone)
    assert list(monitor.history["quantizer/gap/kkt_relaxed"]) == [0, 1, 2]


@pytest.mark.parametrize("frozen", ["freeze", "eval", "requires_grad_"])
def test_a_layer_that_is_held_is_recorded_as_all_others(frozen: str) -> None:
    model, loss_of = pictures()
    model(X)
    (model.quantizer.requires_grad_(False) if frozen == "requires_grad_" else getattr(model.quantizer, frozen)())
    other = copy.deepcopy(model)
    alone = train(model, loss_of, 3)
    with Monitor(other, 2) as monitor:
        assert same(train(other, loss_of, 3), alone)
    assert list(monitor.history["quantizer/gap/gradient_codebook_cosine"]) == [0, 2]


def test_copies_of_the_model_do_not_count() -> None:
    model, loss_of = pictures()
    with Monitor(model, 1) as monitor:
        other = copy.deepcopy(model)
        loss_of(other)
        assert not other.quantizer.diagnose and not monitor.history
        loss_of(model)
    assert list(monitor.history["quantizer/lam"]) == [0]


def test_passes_of_evaluation_and_of_transforms_do_not_count() -> None:
    model = nn.Sequential(nn.Linear(4, 4), SoftConvexQuantizer(16, 4))
    x = torch.randn(5, 4)
    with Monitor(model, 1) as monitor:
        model.eval()(x)
        grad(lambda parameters: functional_call(model.train(), parameters, (x,)).loss)(dict(model.named_parameters()))
        assert not monitor.history
        model(x)
    assert list(monitor.history["1/lam"]) == [0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_under_autocast_and_in_other_types_the_loss_is_computed_as_the_model_does(dtype: torch.dtype) -> None:
    model, _ = pictures()
    if dtype == torch.float64:
        model.double()

    def mixed(model: nn.Module) -> Tensor:
        x = X.to(next(model.parameters()).dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            reconstruction, loss = model(x)
            return mse_loss(reconstruction.to(x.dtype), x) + loss

    other, types = copy.deepcopy(model), []

    def loss(quantized: Tensor) -> Tensor:
        decoded = other.decoder(quantized)
        types.append((quantized.dtype, decoded.dtype))
        return mse_loss(decoded.to(X.dtype), X)

    alone = train(model, mixed, 3)
    with Monitor(other, 2, loss=loss):
        assert same(train(other, mixed, 3), alone)
    assert set(types) == {(dtype, dtype)}


def test_padded_latents_count_nowhere() -> None:
    layer, x = SoftConvexQuantizer(16, 4, channel_dim=1), torch.randn(2, 4, 6)
    mask, seen = torch.arange(6) < torch.tensor([[6], [2]]), []

    def loss(quantized: Tensor) -> Tensor:
        seen.append(quantized.detach().movedim(1, -1))
        return quantized.square().sum()

    with Monitor(layer, 1, loss=loss) as monitor:
        expected = layer(x, mask).quantized.movedim(1, -1)
        layer(x=x.movedim(1, -1)[mask].T[None], mask=None)
        layer(x, mask=torch.zeros_like(mask))
        layer(x[:, :, :0])
    torch.testing.assert_close(seen[0], expected)
    assert not seen[1][~mask].any() and seen[1][mask].all()
    of_some, of_all = (
        {name: values[step] for name, values in monitor.history.items() if "gap/" in name and "seconds" not in name}
        for step in (0, 1)
    )
    assert of_some == pytest.approx(of_all, rel=1e-4, abs=1e-5)
    assert list(monitor.history["gap/kkt_exact"]) == [0, 1]
    assert list(monitor.history["hard_perplexity"]) == [0, 1, 2, 3]


def test_the_gap_can_be_left_out() -> None:
    layer = SoftConvexQuantizer(16, 4)
    with Monitor(layer, gap=False) as monitor:
        layer(torch.randn(5, 4))
    assert "kkt_relative" in monitor.history and not any(name.startswith("gap/") for name in monitor.history)


COMPILED = """
import torch
from torch import nn
import scq
model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), scq.SoftConvexQuantizer(16, 4)))
graph = torch.compile(model, backend="eager")
with scq.Monitor(graph, 2) as monitor:
    for _ in range(3):
        graph(torch.randn(5, 4)).loss.backward()
print(*monitor.history["_orig_mod.1.1/gap/weights_l2"])
"""


@pytest.mark.slow
def test_a_compiled_model_is_recorded() -> None:
    """Apart from the run-time type checks, which no compiler can see through."""
    command = [sys.executable, "-W", "ignore", "-c", COMPILED]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert result.stdout.split() == ["0", "2"]


def two() -> nn.Module:
    return nn.ModuleDict(
        {"a": SoftConvexQuantizer(4, 2), "b": SoftConvexQuantizer(4, 2), "c": scq.quantizer("vq", 4, 2)}
    )


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (lambda: torch.randn(3), {}, TypeError, "model is a Tensor, must be a torch.nn.Module"),
        (lambda: nn.Linear(3, 3), {}, ValueError, "model is a Linear without a quantizer of scq, must have one"),
        (two, {"every": 0}, ValueError, "every is 0, must be at least 1"),
        (two, {"every": 2.0}, TypeError, "every is 2.0, must be an integer"),
        (two, {"loss": torch.sum}, ValueError, "a mapping by name: soft convex quantizers are ['a', 'b']"),
        (two, {"loss": {"c": torch.sum}}, ValueError, "loss is of 'c', must be of soft convex quantizers, which are"),
    ],
)
def test_wrong_arguments_are_refused_by_name(
    model: Callable, options: dict, error: type[Exception], message: str, as_a_user: None
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Monitor(model(), **options)


def test_a_loss_that_is_no_scalar_is_refused() -> None:
    layer = SoftConvexQuantizer(4, 2)
    with Monitor(layer, loss=lambda quantized: quantized), pytest.raises(TypeError, match="without dimensions"):
        layer(torch.randn(3, 2))
