"""What every method of the registry promises, whatever it is made of."""

import copy
import pickle

import pytest
import torch

from scq.quantizers import ComposedQuantizer, SoftConvexQuantizer, entries, quantizer

K, F = 12, 4
NAMES = [entry.name for entry in entries() if entry.name != "none"]
COMPOSED = [name for name in NAMES if not name.startswith("scq")]
KMEANS = [entry.name for entry in entries() if "init" in entry.settings]
every = pytest.mark.parametrize("name", NAMES)
composed = pytest.mark.parametrize("name", COMPOSED)


def make(name: str, dim: int = F, **options: object) -> ComposedQuantizer:
    layer = quantizer(name, K, dim, **options)
    assert isinstance(layer, ComposedQuantizer)
    return layer


@every
def test_made_of_the_parts_that_the_registry_says(name):
    layer = make(name)
    (parts,) = [entry.parts for entry in entries() if entry.name == name]
    assert parts is not None
    made = layer.assignment.name if not isinstance(layer, SoftConvexQuantizer) else parts.assignment
    assert (layer.embedding.name, made, layer.gradient.name) == (parts.codebook, parts.assignment, parts.gradient)
    assert tuple(regularizer.name for regularizer in layer.regularizers) == parts.regularizers
    if isinstance(layer, SoftConvexQuantizer):
        assert layer.backend == ("relaxed" if name == "scq_relaxed" else "active_set")


def test_every_entry_says_whom_to_cite():
    assert [entry.name for entry in entries() if not entry.citation] == ["none"]


@every
@pytest.mark.parametrize(("shape", "channel_dim"), [((5, F), -1), ((2, F, 3, 5), 1), ((F,), -1), ((0, F, 3), 1)])
def test_shapes_follow_the_layout(name, shape, channel_dim):
    layer = make(name, channel_dim=channel_dim)
    output = layer(torch.randn(shape))
    assert output.quantized.shape == shape == layer.decode(output.indices).shape
    assert output.loss.shape == () and output.loss.isfinite()
    assert all(value.shape == () and value.isfinite() for value in output.info.values())
    if output.weights is not None:
        assert output.weights.shape == (*output.indices.shape, layer.codebook_size)


@every
def test_codes_and_weights_decode_to_what_was_quantized(name):
    """SimVQ's published decode forgets the projection, and gives other codewords than it trained with."""
    layer = make(name, channel_dim=1)
    before = layer.codebook.detach().clone()  # a moving average moves after it has quantized
    output = layer(torch.randn(3, F, 2, 2))
    hard = before[output.indices].movedim(-1, 1)
    if output.weights is None:
        torch.testing.assert_close(output.quantized, hard)
    else:
        torch.testing.assert_close(layer.combine(output.weights), output.quantized)
        assert torch.equal(output.indices, output.weights.argmax(-1))
    output = layer.eval()(torch.randn(3, F, 2, 2))
    assert torch.equal(layer.decode(output.indices), layer.codebook[output.indices].movedim(-1, 1))
    if output.weights is None:
        torch.testing.assert_close(output.quantized, layer.decode(output.indices))


@every
@pytest.mark.parametrize("dim", [F, 3])
def test_every_parameter_and_every_latent_receive_a_gradient(name, dim):
    """A codebook that is silently left out of the graph is the field's most frequent bug. The grid of 12 codewords has
    two channels, so that its projections are among the parameters."""
    layer = make(name, dim=dim)
    x = torch.randn(20, dim, requires_grad=True)
    output = layer(x)
    (output.quantized.square().sum() + output.loss).backward()
    assert x.grad is not None and (x.grad.abs().sum(1) > 0).all()
    for key, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key


@every
def test_a_frozen_codebook_stays_and_passes_the_gradient_of_the_latents(name):
    layer = make(name)
    codebook = layer.codebook.detach().clone()
    layer.freeze()
    x = torch.randn(20, F, requires_grad=True)
    output = layer(x)
    (output.quantized.square().sum() + output.loss).backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in layer.parameters())
    assert torch.equal(layer.codebook, codebook)
    layer.freeze(False)
    output = layer(x + 1)
    (output.quantized.square().sum() + output.loss).backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
    assert name != "vq_ema" or not torch.equal(layer.codebook, codebook)


@pytest.mark.parametrize("name", KMEANS)
def test_kmeans_starts_every_codebook_that_can_be_started_but_no_frozen_one(name):
    layer = make(name, init="kmeans")
    layer.freeze()
    start = layer.codebook.detach().clone()
    points = 50 + torch.randn(60, F)
    layer(points)
    assert torch.equal(layer.codebook, start)
    layer.freeze(False)
    layer(points)
    assert layer.codebook_initialized and (layer.codebook > 40).all()


@pytest.mark.parametrize("name", KMEANS)
def test_kmeans_does_not_see_padding(name):
    layer = make(name, init="kmeans")
    x = 50 + torch.randn(60, F)
    x[30:] = -1e3
    layer(x, torch.arange(60) < 30)
    assert (layer.codebook > 40).all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(KMEANS)))
def test_codebooks_with_a_start_of_their_own_refuse_another(name):
    with pytest.raises(ValueError, match=f"init is 'kmeans', must be one of: normal for a {make(name).embedding.name}"):
        make(name, init="kmeans")


@composed
def test_evaluation_changes_nothing(name):
    layer = make(name).eval()
    x = torch.randn(9, F)
    before = copy.deepcopy(layer.state_dict())
    first, second = layer(x), layer(x)
    assert torch.equal(first.quantized, second.quantized)
    for key, value in layer.state_dict().items():
        assert torch.equal(value, before[key]), key


@every
def test_state_dict_round_trip(name):
    layer = make(name)
    for _ in range(3):
        layer(torch.randn(40, F))
    other = make(name)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(20, F)
    assert torch.equal(other.codebook, layer.codebook)
    for step in range(2):  # what moves goes on from where it was
        torch.manual_seed(step)
        expected = layer(x)
        torch.manual_seed(step)
        assert torch.equal(other(x).quantized, expected.quantized)


@every
def test_survives_deepcopy_and_pickle(name):
    layer = make(name).eval()
    x = torch.randn(7, F)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x).quantized, layer(x).quantized)


@composed
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_output_has_the_dtype_of_the_input(name, dtype):
    layer = make(name).eval()
    x = torch.randn(30, F).to(dtype)
    output, wide = layer(x), layer(x.to(torch.promote_types(dtype, torch.float32)))
    assert output.quantized.dtype == dtype
    assert output.loss.dtype == torch.promote_types(dtype, torch.float32)
    assert torch.equal(output.indices, wide.indices)
    torch.testing.assert_close(output.quantized, wide.quantized.to(dtype))


@composed
@pytest.mark.parametrize("training", [True, False])
def test_autocast_does_not_reach_the_codes(name, training, device):
    layer = make(name).to(device)
    other = copy.deepcopy(layer)
    layer.train(training), other.train(training)
    x = torch.randn(200, F, device=device)
    torch.manual_seed(1)
    plain = layer(x)
    torch.manual_seed(1)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        cast = other(x)
    assert torch.equal(cast.quantized, plain.quantized) and torch.equal(cast.loss, plain.loss)
    assert torch.equal(other.codebook, layer.codebook)


@every
def test_padding_counts_nowhere(name):
    """What stands at masked positions, NaN even, changes nothing: as if the other latents were alone."""
    alone, padded = make(name), make(name)
    padded.load_state_dict(alone.state_dict())
    mask = torch.tensor([[True] * 9 + [False] * 3, [True] * 5 + [False] * 7])
    x = torch.randn(2, 12, F)
    x[~mask] = torch.tensor([torch.nan, 1e6, -3.0, torch.inf])
    x.requires_grad_()
    latents = x.detach()[mask].requires_grad_()
    # Noise differs with the shape, and so does which latent revives a codeword.
    for layer in (alone, padded):
        if name == "gumbel":
            layer.assignment.eval()
    expected, output = alone(latents), padded(x, mask)
    torch.testing.assert_close(output.quantized[mask], expected.quantized)
    assert torch.equal(output.indices[mask], expected.indices)
    assert not output.quantized[~mask].any() and not output.indices[~mask].any()
    torch.testing.assert_close(output.loss, expected.loss)
    for key, value in expected.info.items():
        torch.testing.assert_close(output.info[key], value, msg=key)
    if output.weights is not None:
        torch.testing.assert_close(output.weights[mask], expected.weights)
        assert not output.weights[~mask].any()
    for quantized, _, loss, *_ in (expected, output):
        (quantized.square().sum() + loss).backward()
    assert latents.grad is not None and x.grad is not None
    torch.testing.assert_close(x.grad[mask], latents.grad)
    assert not x.grad[~mask].any()
    for (key, a), (_, b) in zip(padded.named_parameters(), alone.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=key)
    for key, value in alone.state_dict().items():
        torch.testing.assert_close(padded.state_dict()[key], value, msg=key)


@every
def test_everything_masked_moves_nothing(name):
    layer = make(name)
    codebook = layer.codebook.detach().clone()
    x = torch.randn(5, F, requires_grad=True)
    output = layer(x, torch.zeros(5, dtype=torch.bool))
    (output.quantized.square().sum() + output.loss).backward()
    assert not output.quantized.any()
    for tensor in (x, *layer.parameters()):
        assert tensor.grad is None or not tensor.grad.any()
    torch.testing.assert_close(layer.codebook, codebook, rtol=1e-4, atol=1e-4)  # the averages shrink, not their ratio


@every
@pytest.mark.usefixtures("as_a_user")
def test_a_wrong_mask_is_refused(name):
    layer = make(name, channel_dim=1)
    with pytest.raises(ValueError, match=r"mask has shape \(2, 4, 3\), must be \(2, 3, 3\), that of x without its"):
        layer(torch.randn(2, F, 3, 3), torch.ones(2, F, 3, dtype=torch.bool))
    with pytest.raises(TypeError, match="mask is torch.float32, must be torch.bool"):
        layer(torch.randn(2, F, 3, 3), torch.ones(2, 3, 3))


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("vq_ema", {"decay": 1.5}, ValueError, "decay is 1.5, must be from 0 to 1"),
        ("vq_ema", {"revive_below": -1.0}, ValueError, "revive_below is -1.0, must be finite and >= 0"),
        ("rotation", {"commitment_weight": -0.5}, ValueError, "weight of commitment is -0.5"),
        ("gumbel", {"temperature": 0.0}, ValueError, "temperature is 0.0, must be finite and > 0"),
        ("gumbel", {"anneal_steps": 0}, ValueError, "anneal_steps is 0, must be at least 1"),
        ("smoothed_knn_ce", {"neighbours": 0}, ValueError, "neighbours is 0, must be at least 1"),
        ("smoothed_knn_ce", {"neighbours": 2.5}, TypeError, "neighbours is 2.5, must be an integer"),
        ("smoothed_perplexity", {"temperature": -1.0}, ValueError, "temperature is -1.0, must be finite and > 0"),
        ("fsq", {"levels": (8, 2)}, ValueError, r"levels is \(8, 2\), must be one or more integers, each at least 3"),
        ("fsq", {"codebook_size": 2}, ValueError, "codebook_size is 2, must be at least 3 for a grid"),
        ("simvq", {"dim": 0}, ValueError, "dim is 0, must be at least 1"),
        ("simvq", {"channel_dim": 1.0}, TypeError, "channel_dim is 1.0, must be an integer"),
        ("simvq", {"steps": 3}, TypeError, "steps"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_wrong_options_are_refused_by_name(name, options, error, message):
    with pytest.raises(error, match=message):
        quantizer(name, **{"codebook_size": K, "dim": F} | options)
