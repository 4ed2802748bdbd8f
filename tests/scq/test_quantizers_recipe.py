"""Quantizers by the names of their parts."""

import pytest
import torch
from registry_tables import markdown_of_quantizers

from scq.quantizers import (
    Parts,
    QuantizerInfo,
    SoftConvexQuantizer,
    codebooks,
    entries,
    get,
    gradients,
    quantizer,
    register,
    regularizers,
    unregister,
)
from scq.quantizers.parts import CODEBOOKS, Part
from scq.training import TrainConfig, build_model

K, F = 16, 4

NAMED = {
    "vq_ema": "ema+nearest",
    "rotation": "direct+nearest+rotation",
    "simvq": "linear+nearest",
    "simvq_joint": "linear_joint+nearest+straight_through",
    "simvq_diagonal": "diagonal+nearest",
    "gumbel": "direct+gumbel",
    "smoothed_knn_l2": "direct+softmax+soft+knn_l2",
    "smoothed_knn_ce": "direct+softmax+knn_ce",
    "smoothed_perplexity": "direct+softmax+mean_perplexity",
    "scq": "direct+scq",
    "scq_relaxed": "direct+scq_relaxed",
    "scq_annealed": "direct+scq_annealed",
}


@pytest.mark.parametrize(("name", "recipe"), NAMED.items())
def test_the_parts_of_a_named_quantizer_make_that_quantizer(name: str, recipe: str) -> None:
    assert set(get(recipe).settings) == set(get(name).settings)
    assert get(recipe).convex == get(name).convex
    results = []
    for made in (name, recipe):
        torch.manual_seed(0)
        layer = quantizer(made, K, F)
        x = torch.randn(30, F, generator=torch.Generator().manual_seed(1), requires_grad=True)
        torch.manual_seed(2)
        output = layer(x)
        (output.quantized.square().sum() + output.loss).backward()
        results.append((output.quantized, output.indices, output.loss, x.grad, layer.codebook))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_every_named_quantizer_with_parts_has_a_recipe() -> None:
    # fsq has a codebook and an assignment that go with nothing else, and vq is the layer that users know.
    assert {entry.name for entry in entries() if entry.parts} - {"fsq", "vq"} == set(NAMED)


def test_what_nobody_has_tried_is_one_line() -> None:
    layer = quantizer("linear+scq+knn_l2", K, F, lam=0.2, regularizer_weight=0.3, neighbours=5)
    assert isinstance(layer, SoftConvexQuantizer)
    assert isinstance(layer.embedding, codebooks.Linear)
    _, term = layer.regularizers
    assert isinstance(term, regularizers.KNNL2) and (term.weight, term.neighbours) == (0.3, 5)
    x = torch.randn(50, F, requires_grad=True)
    output = layer(x)
    (output.quantized.sum() + output.loss).backward()
    assert x.grad is not None and x.grad.isfinite().all()

    turned = quantizer("linear+nearest+rotation", K, F)
    assert isinstance(turned.gradient, gradients.Rotation)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("grid+nearest", "'grid\\+nearest', whose codebook is 'grid', must be one of: direct, ema"),
        ("direct+", "whose assignment is '', must be one of: nearest, softmax"),
        ("direct+nearest+rotate", "whose regularizer is 'rotate', must be one of: knn_l2"),
        ("direct+softmax+knn_l2+knn_ce", "must end after 'knn_l2', and goes on with 'knn_ce'"),
    ],
)
def test_a_part_that_is_not_known_is_named(recipe: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get(recipe)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("ema+scq", "codebook is ema and assignment is scq, must be nearest"),
        ("direct+softmax+rotation", "gradient is rotation and assignment is softmax, must be nearest"),
        ("direct+scq+knn_ce", "must be softmax or gumbel"),
        ("direct+nearest+entropy", "must be one with weights"),
    ],
)
def test_parts_that_do_not_go_together_are_refused_with_the_reason(recipe: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantizer(recipe, K, F)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("recipe", "option"),
    [
        ("direct+softmax", {"commitment_weight": 0.5}),
        ("direct+nearest", {"quantization_weight": 0.5}),
        ("direct+scq", {"neighbours": 3}),
        ("direct+softmax+entropy", {"neighbours": 3}),
        ("direct+nearest", {"anneal_steps": 7}),
        ("direct+scq", {"regularizer_weight": 0.5}),
    ],
)
def test_an_option_of_a_part_that_is_not_there_is_refused(recipe: str, option: dict[str, float]) -> None:
    ((name, value),) = option.items()
    with pytest.raises(TypeError, match=f"{name} is {value}, but .* has no use for it; it takes: "):
        quantizer(recipe, K, F, **option)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "relaxed", "tol": 1e-6}, "tol is 1e-06, but applies to exact backends alone"),
        ({"backend": "relaxed", "max_iter": 9}, "max_iter is 9, but applies to exact backends alone"),
        ({"backend": "relaxed", "gradient": "implicit"}, "gradient is 'implicit', backend 'relaxed' offers: native"),
        ({"tol": -1.0}, "tol is -1.0, must be > 0"),
    ],
)
def test_what_a_backend_cannot_be_asked_is_refused_when_the_layer_is_made(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SoftConvexQuantizer(K, F, **options)  # pyrefly: ignore


def test_a_new_quantizer_is_one_entry(request: pytest.FixtureRequest) -> None:
    """Its options, its settings in training, its table and its training follow."""
    parts = Parts("spherical", "softmax", "straight_through", ("quantization_error", "entropy"))
    entry = QuantizerInfo("cosine", "softmax of cosines", parts, "nobody yet", defaults={"temperature": 0.5})
    register(entry)
    request.addfinalizer(lambda: unregister(entry.name))
    assert set(entry.settings) == {"temperature", "quantization_weight", "regularizer_weight", "init"}
    layer = quantizer("cosine", K, F, regularizer_weight=0.2)
    assert layer.assignment.temperature == 0.5 and layer.regularizers[1].weight == 0.2
    assert "| `cosine` | softmax of cosines | spherical | softmax |" in markdown_of_quantizers(entries())
    model = build_model(TrainConfig(quantizer="cosine", codebook_size=K, dim=F, width=8, temperature=2.0))
    assert model.quantizer.assignment.temperature == 2.0
    with pytest.raises(ValueError, match="lam is 0.3, but applies to"):
        TrainConfig(quantizer="cosine", lam=0.3)


def test_a_new_codebook_is_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Halved(codebooks.Direct):
        name = "halved"

        def forward(self) -> torch.Tensor:
            return self.codewords / 2

    monkeypatch.setattr(codebooks, "Halved", Halved, raising=False)
    monkeypatch.setitem(CODEBOOKS, "halved", Part("codebooks:Halved", ("init",)))
    for recipe in ("halved+nearest", "halved+scq", "halved+gumbel+straight_through+knn_l2"):
        layer = quantizer(recipe, K, F, init="kmeans")
        layer(torch.randn(50, F)).loss.backward()
        assert layer.embedding.codewords.grad is not None and layer.codebook_initialized


@pytest.mark.parametrize("recipe", ["direct+scq+straight_through", "linear+scq_relaxed+straight_through"])
def test_the_codeword_of_soft_convex_weights_goes_straight_through(recipe: str) -> None:
    torch.manual_seed(0)
    layer = quantizer(recipe, K, F)
    soft = quantizer(recipe.removesuffix("+straight_through"), K, F)
    soft.load_state_dict(layer.state_dict())
    x, upstream = torch.randn(20, F, requires_grad=True), torch.randn(20, F)
    hard, mixed = layer(x), soft(x)
    assert torch.equal(hard.indices, mixed.indices)
    torch.testing.assert_close(hard.quantized, layer.decode(hard.indices))
    gradients = [torch.autograd.grad(output.quantized, x, upstream)[0] for output in (hard, mixed)]
    torch.testing.assert_close(*gradients)
