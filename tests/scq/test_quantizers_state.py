"""The state of a layer: one truth, whatever copies, averages, moves, loads or computes it again."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

import scq
from scq.quantizers.scalars import Geometric

K, F = 16, 4
LEARNED = ["vq", "vq_ema", "rotation", "scq"]
MOVING: dict[str, Any] = {
    "vq_ema": {"name": "vq_ema"},
    "gumbel": {"name": "gumbel", "anneal_steps": 5},
    "scq_annealed": {"name": "scq_annealed"},
    "scq, lam on a schedule": {"name": "scq", "lam": Geometric(1.0, 0.01, 5)},
}
STILL: dict[str, Any] = {
    "vq": {"name": "vq"},
    "vq, from k-means": {"name": "vq", "init": "kmeans"},
    "fsq": {"name": "fsq"},
    "simvq": {"name": "simvq"},
    "scq": {"name": "scq"},
    "scq_relaxed": {"name": "scq_relaxed"},
}


def layer_of(name: str, size: int = K, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return scq.quantizer(name, size, F, **copy.deepcopy(settings))


def gradient(layer: nn.Module, x: torch.Tensor, reentrant: bool | None) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    output = layer(x) if reentrant is None else checkpoint(layer, x, use_reentrant=reentrant)
    (output.quantized.square().sum() + output.loss).backward()
    return [x.grad, *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("settings", MOVING.values(), ids=MOVING)
def test_a_layer_whose_state_moves_refuses_to_be_computed_again_in_a_backward(
    settings: dict[str, Any], reentrant: bool
) -> None:
    x = torch.randn(64, F)
    layer = layer_of(**settings)

    def step() -> None:
        def loss(x: torch.Tensor) -> torch.Tensor:
            output = layer(x)
            return output.quantized.square().sum() + output.loss

        checkpoint(loss, x.clone().requires_grad_(), use_reentrant=reentrant).backward()

    with pytest.raises(RuntimeError, match=r"computed a second time, in a backward.*freeze it"):
        step()
    layer.freeze()
    step()
    state = copy.deepcopy(layer.eval().state_dict())
    step()
    assert all(torch.equal(value, layer.state_dict()[key]) for key, value in state.items())


@pytest.mark.parametrize("settings", STILL.values(), ids=STILL)
def test_another_has_the_same_gradients_under_checkpointing(settings: dict[str, Any]) -> None:
    x = torch.randn(64, F)
    plain, again = (gradient(layer_of(**settings), x, reentrant) for reentrant in (None, False))
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))


@pytest.mark.parametrize("name", LEARNED)
def test_a_copy_of_a_trained_layer_is_not_started_anew(name: str) -> None:
    layer = layer_of(name, init="kmeans")
    early = copy.deepcopy(layer)
    average = AveragedModel(layer, use_buffers=True)
    layer(torch.randn(64, F))
    average.update_parameters(layer)
    early.load_state_dict(layer.state_dict())
    early.freeze()
    for other in (early, average.module.requires_grad_(False), copy.deepcopy(layer)):
        before = other.codebook.detach().clone()
        other(50 + torch.randn(64, F))
        assert other.codebook_initialized
        assert (other.codebook - before).abs().amax(1).min() < 1e-3  # k-means would take all of them to 50


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("batch", [torch.zeros(0, F), torch.full((8, F), torch.nan)], ids=["empty", "NaN"])
def test_a_batch_without_latents_is_no_start(name: str, batch: torch.Tensor) -> None:
    layer = layer_of(name, init="kmeans")
    layer(batch)
    assert not layer.codebook_initialized
    layer(torch.zeros(8, F), torch.zeros(8, dtype=torch.bool))
    assert not layer.codebook_initialized
    layer(50 + torch.randn(64, F))
    assert layer.codebook_initialized and (layer.codebook > 40).all()


@pytest.mark.parametrize("name", ["vq_ema", "scq", "vq"])
def test_averages_of_models_average_the_codebook_too(name: str) -> None:
    model = nn.Sequential(nn.Linear(F, F), layer_of(name))
    average = AveragedModel(model, use_buffers=True)
    seen = []
    for _ in range(3):
        model(torch.randn(64, F))
        average.update_parameters(model)
        seen.append(model[1].codebook.detach().clone())
    torch.testing.assert_close(average.module[1].codebook.detach(), torch.stack(seen).mean(0))
    assert average.module[1].codebook_initialized


@pytest.mark.parametrize("started", [True, False])
def test_a_flag_saved_as_a_boolean_still_loads(started: bool) -> None:
    layer = layer_of("vq", init="kmeans")
    state = layer.state_dict() | {"codebook_initialized": torch.tensor(started)}
    for assign in (False, True):
        layer.load_state_dict(state, assign=assign)
        assert layer.codebook_initialized.dtype == torch.float32 and bool(layer.codebook_initialized) == started


def test_moving_averages_saved_with_their_sums_still_load() -> None:
    layer, other = layer_of("vq_ema"), layer_of("vq_ema")
    for _ in range(3):
        layer(torch.randn(64, F))
    other.load_state_dict(layer.state_dict() | {"cluster_sum": torch.randn(K, F)})
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in layer.state_dict().items())


PUT = {
    "load": lambda layer, codewords: layer.load_state_dict({"codebook": codewords}, strict=False),
    "copy_": lambda layer, codewords: layer.codebook.data.copy_(codewords),
    "set_codebook": lambda layer, codewords: layer.set_codebook(codewords),
}


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("way", PUT)
@pytest.mark.parametrize("name", LEARNED)
def test_codewords_that_are_put_there_are_what_training_goes_on_from(name: str, way: str, trained: bool) -> None:
    layer = layer_of(name, init="kmeans" if way != "copy_" else "normal")
    for _ in range(3 * trained):
        layer(torch.randn(64, F))
    codewords = 3 * torch.randn(K, F) + 10
    PUT[way](layer, codewords)
    assert layer.codebook_initialized
    layer(codewords.repeat(16, 1) + 0.01 * torch.randn(256, F))
    assert (layer.codebook - codewords).abs().max() < 0.1


def test_codewords_of_averages_that_are_set_are_as_alive_as_each_other() -> None:
    layer = layer_of("vq_ema")
    for _ in range(300):
        layer(torch.randn(64, F) * torch.tensor([1.0, 0, 0, 0]))
    layer.set_codebook(torch.randn(K, F))
    assert torch.equal(layer.embedding.cluster_size, torch.ones(K))


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("name", "codewords", "error", "says"),
    [
        ("vq", torch.zeros(K, F + 1), ValueError, r"codewords has shape \(16, 5\), must be \(16, 4\)"),
        ("vq", torch.zeros(K, F, dtype=torch.long), TypeError, "codewords is torch.int64, must be a floating-point"),
        ("vq", [[0.0] * F] * K, TypeError, "codewords is list, must be a floating-point"),
        ("scq", torch.full((K, F), torch.nan), ValueError, "codewords has NaN or infinite entries"),
        ("simvq", torch.zeros(K, F), ValueError, "codebook is linear, whose codewords cannot be set"),
    ],
)
def test_what_cannot_be_codewords_is_refused(name: str, codewords: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        layer_of(name).set_codebook(codewords)


class Unit(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows / rows.norm(dim=1, keepdim=True)

    def right_inverse(self, rows: torch.Tensor) -> torch.Tensor:
        return rows


class OneWay(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.sin()


@pytest.mark.parametrize("name", ["vq", "scq"])
def test_a_parametrized_codebook_is_started_and_frozen(name: str) -> None:
    layer = layer_of(name, init="kmeans")
    parametrize.register_parametrization(layer.embedding, "codewords", Unit())
    before = layer.codebook.detach().clone()
    layer(torch.randn(256, F))
    assert layer.codebook_initialized and not torch.equal(layer.codebook, before)
    torch.testing.assert_close(layer.codebook.norm(dim=1), torch.ones(K))
    state = layer.state_dict()
    loaded = layer_of(name, init="kmeans")
    parametrize.register_parametrization(loaded.embedding, "codewords", Unit())
    loaded.load_state_dict(state)
    loaded.freeze()
    loaded(torch.randn(8, F, requires_grad=True)).loss.backward()
    assert torch.equal(loaded.codebook, layer.codebook)
    assert loaded.embedding.parametrizations.codewords.original.grad is None


@pytest.mark.parametrize("name", ["vq", "vq_ema", "scq"])
def test_a_codebook_that_cannot_be_written_is_refused_by_name(name: str) -> None:
    layer = layer_of(name, init="kmeans")
    parametrize.register_parametrization(layer.embedding, "codewords", OneWay())
    with pytest.raises(ValueError, match="codewords is parametrized by OneWay, which must have a right_inverse"):
        layer(torch.randn(256, F))
    assert not layer.codebook_initialized


def test_a_pruned_codebook_cannot_be_set_or_frozen() -> None:
    layer = layer_of("vq")
    prune.l1_unstructured(layer.embedding, "codewords", amount=0.3)
    for act in (layer.freeze, lambda: layer.set_codebook(torch.randn(K, F))):
        with pytest.raises(ValueError, match="codewords is computed by a hook"):
            act()


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize(
    "name", ["fsq", "vq", "vq_ema", "linear_joint+nearest+rotation", "simvq", "gumbel", "scq", "scq_annealed"]
)
def test_a_layer_made_without_memory_is_whole_once_loaded(name: str, assign: bool) -> None:
    source = layer_of(name, size=64).eval()
    with torch.device("meta"):
        layer = scq.quantizer(name, 64, F).eval()
    if not assign:
        layer.to_empty(device="cpu")
        for buffer in layer.buffers():
            buffer.fill_(7)
        layer.to_empty(device="cpu")
    layer.load_state_dict(source.state_dict(), assign=assign)
    assert not any(x.is_meta for x in [*layer.parameters(), *layer.buffers()])
    x = torch.randn(8, F)
    for ours, theirs in zip(layer(x)[:3], source(x)[:3], strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(layer.decode(torch.arange(64)), source.decode(torch.arange(64)))


BEFORE = {
    "vq": {"codebook": (K, F), "codebook_initialized": ()},
    "vq_ema": {"codebook": (K, F), "cluster_size": (K,), "cluster_sum": (K, F), "codebook_initialized": ()},
    "simvq": {"basis": (F, F), "coordinates": (K, F), "codebook_initialized": ()},
    "simvq_joint": {"coordinates": (K, F), "basis": (F, F), "codebook_initialized": ()},
    "simvq_diagonal": {"coordinates": (K, F), "scale": (F,), "codebook_initialized": ()},
    "fsq": {
        "codebook_initialized": (),
        **{"project_in.weight": (2, F), "project_in.bias": (2,)},
        **{"project_out.weight": (F, 2), "project_out.bias": (F,)},
    },
    "gumbel": {"codebook": (K, F), "codebook_initialized": (), "assignment.temperature.step": ()},
    "scq_annealed": {"codebook": (K, F), "codebook_initialized": (), "lam.step": ()},
    "spherical+nearest": {"unscaled.codebook": (K, F), "codebook_initialized": ()},
}
"""What versions before 0.2 saved."""


@pytest.mark.parametrize("within", [False, True], ids=["layer", "model"])
@pytest.mark.parametrize("name", BEFORE)
def test_what_earlier_versions_saved_still_loads(name: str, within: bool) -> None:
    saved = {key: torch.rand(shape) + 1 for key, shape in BEFORE[name].items()}
    layer = layer_of(name)
    model = nn.ModuleDict({"quantizer": layer}) if within else layer
    model.load_state_dict({f"quantizer.{key}" if within else key: value for key, value in saved.items()})
    state = layer.state_dict()
    assert layer.codebook_initialized
    for key, value in saved.items():
        last = {"codebook": "codewords", "codebook_initialized": "initialized"}.get(*2 * [key.split(".")[-1]])
        if last != "cluster_sum":
            (loaded,) = [state[name] for name in state if name.endswith(key if "project" in key else last)]
            assert torch.equal(loaded, value.to(loaded.dtype)), key


def test_a_parametrized_codebook_that_earlier_versions_saved_still_loads() -> None:
    layer = layer_of("vq")
    parametrize.register_parametrization(layer.embedding, "codewords", Unit())
    saved = {"parametrizations.codebook.original": torch.randn(K, F), "codebook_initialized": torch.ones(())}
    layer.load_state_dict(saved)
    assert torch.equal(layer.embedding.parametrizations.codewords.original, saved["parametrizations.codebook.original"])


def test_a_codebook_that_another_layer_holds_is_refused() -> None:
    codebook = scq.quantizers.codebooks.Direct()
    scq.SoftConvexQuantizer(K, F, codebook=codebook)
    with pytest.raises(ValueError, match=r"codebook is Direct\(\), which another layer holds; must be one of its own"):
        scq.SoftConvexQuantizer(K, F, codebook=codebook)


def test_the_earlier_name_of_the_class_still_works_and_says_what_it_is_called_now() -> None:
    with pytest.warns(DeprecationWarning, match="CodebookQuantizer is ComposedQuantizer"):
        assert scq.quantizers.CodebookQuantizer is scq.quantizers.ComposedQuantizer


@pytest.mark.parametrize("name", ["vq", "vq_ema", "scq", "spherical+nearest"])
def test_the_codebook_is_parametrized_by_the_layers_name_too(name: str) -> None:
    layer = layer_of(name)
    assert not parametrize.is_parametrized(layer)
    parametrize.register_parametrization(layer, "codebook", Unit())
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "codebook")
    torch.testing.assert_close(layer.codebook.norm(dim=1), torch.ones(K))
    assert layer.parametrizations.codebook[0].__class__ is Unit
    held = layer.embedding.of if name.startswith("spherical") else layer.embedding
    assert layer.parametrizations.codebook.original is held.parametrizations.codewords.original
    parametrize.register_parametrization(layer, "codebook", Unit())
    assert len(held.parametrizations.codewords) == 2 and not layer.parametrizations.codebook.unsafe
    with pytest.raises(ValueError, match=r"does not have a parameter, a buffer, or a parametrized element"):
        parametrize.register_parametrization(layer_of("simvq"), "codebook", Unit())


def test_codewords_that_are_a_parameter_are_lent_and_exchanged_by_the_layers_name() -> None:
    layer, x = layer_of("vq"), torch.randn(20, F)
    held = layer.codebook
    assert [key for key, _ in layer.named_parameters()] == ["codebook"]
    other = torch.randn(K, F, requires_grad=True)
    for key in ("codebook", "embedding.codewords"):
        output = torch.func.functional_call(layer, {key: other}, (x,))
        assert torch.equal(output.indices, layer_with(other)(x).indices)
        assert layer.codebook is held and [*layer.parameters()] == [held]
    layer.codebook = nn.Parameter(other.detach())
    assert torch.equal(layer.embedding.codewords, other) and isinstance(layer.codebook, nn.Parameter)
    with pytest.raises(ValueError, match="codebook is linear, which computes its codewords"):
        layer_of("simvq").codebook = nn.Parameter(torch.randn(K, F))


def layer_with(codewords: torch.Tensor) -> nn.Module:
    layer = layer_of("vq")
    layer.set_codebook(codewords.detach())
    return layer
