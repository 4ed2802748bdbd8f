"""What every quantizer promises: layouts, dtypes, gradients, decoding, saving."""

import copy

import pytest
import torch
from torch import nn

from scq.quantizers import QuantizerOutput, SoftConvexQuantizer, VectorQuantizer

K, F = 12, 4
CODEBOOKS = {
    "scq": lambda **options: SoftConvexQuantizer(K, F, **options),
    "scq_relaxed": lambda **options: SoftConvexQuantizer(K, F, backend="relaxed", **options),
    "vq": lambda **options: VectorQuantizer(K, F, **options),
}
every = pytest.mark.parametrize("name", CODEBOOKS)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@every
@pytest.mark.parametrize(
    ("shape", "channel_dim", "positions"),
    [
        ((5, F), -1, (5,)),
        ((5, F), 1, (5,)),
        ((2, 3, F), -1, (2, 3)),
        ((2, F, 3, 5), 1, (2, 3, 5)),
        ((2, F, 3, 5), -3, (2, 3, 5)),
        ((F,), -1, ()),
        ((0, F, 3, 5), 1, (0, 3, 5)),
    ],
)
def test_shapes_follow_the_layout(name, shape, channel_dim, positions):
    layer = CODEBOOKS[name](channel_dim=channel_dim)
    output = layer(torch.randn(shape))
    assert isinstance(output, QuantizerOutput)
    assert output.quantized.shape == shape
    assert output.indices.shape == positions
    assert output.loss.shape == () and output.loss.isfinite()
    assert layer.decode(output.indices).shape == shape
    if output.weights is not None:
        assert output.weights.shape == (*positions, K)
        assert layer.combine(output.weights).shape == shape


@every
@pytest.mark.parametrize(
    ("shape", "channel_dim"),
    [((6, F), -1), ((2, 3, F), -1), ((2, F, 3, 5), 1), ((2, 3, 5, F), -1), ((2, F, 3, 2, 2), 1), ((F, 3, 4), 0)],
    ids=["b d", "b n d", "NCHW", "NHWC", "NCDHW", "c first"],
)
def test_layouts_agree(name, shape, channel_dim):
    layer = CODEBOOKS[name]()
    x = torch.randn(shape)
    flat = layer(x.movedim(channel_dim, -1).reshape(-1, F))
    layer.channel_dim = channel_dim
    output = layer(x)
    torch.testing.assert_close(output.quantized.movedim(channel_dim, -1).reshape(-1, F), flat.quantized)
    assert torch.equal(output.indices.flatten(), flat.indices)
    torch.testing.assert_close(output.loss, flat.loss)
    torch.testing.assert_close(layer.decode(output.indices).movedim(channel_dim, -1), layer.codebook[output.indices])


@every
def test_unpacks_as_users_of_vector_quantization_expect(name):
    quantized, indices, loss, *_ = CODEBOOKS[name]()(torch.randn(6, F))
    assert quantized.is_floating_point() and not indices.is_floating_point() and loss.dim() == 0


@every
def test_codebook_and_latents_receive_a_gradient(name):
    """A codebook that is silently left out of the graph is the field's most frequent bug."""
    layer = CODEBOOKS[name]()
    x = torch.randn(20, F, requires_grad=True)
    output = layer(x)
    (output.quantized.sum() + output.loss).backward()
    assert layer.codebook.grad is not None and layer.codebook.grad.abs().sum() > 0
    assert x.grad is not None and (x.grad.abs().sum(1) > 0).all()


@every
def test_frozen_codebook_still_passes_the_gradient_of_the_latents(name):
    layer = CODEBOOKS[name]()
    layer.codebook.requires_grad_(False)
    x = torch.randn(20, F, requires_grad=True)
    output = layer(x)
    (output.quantized.sum() + output.loss).backward()
    assert layer.codebook.grad is None
    assert x.grad.abs().sum() > 0


@every
def test_decode_is_the_hard_quantization(name):
    layer = CODEBOOKS[name]()
    output = layer(torch.randn(9, F))
    assert torch.equal(layer.decode(output.indices), layer.codebook[output.indices])
    if output.weights is None:
        torch.testing.assert_close(layer.decode(output.indices), output.quantized)
    else:
        assert torch.equal(output.indices, output.weights.argmax(-1))
        torch.testing.assert_close(layer.combine(output.weights), output.quantized)


@every
def test_evaluation_changes_nothing_but_the_graph(name):
    layer = CODEBOOKS[name]()
    x = torch.randn(9, F)
    trained = layer(x)
    before = copy.deepcopy(layer.state_dict())
    with torch.no_grad():
        evaluated = layer.eval()(x)
    torch.testing.assert_close(evaluated.quantized, trained.quantized)
    assert not evaluated.quantized.requires_grad
    for key, value in layer.state_dict().items():
        assert torch.equal(value, before[key])


@every
@pytest.mark.parametrize("init", ["normal", "uniform", "kmeans"])
def test_state_dict_round_trip(name, init):
    layer = CODEBOOKS[name](init=init)
    x = torch.randn(64, F)
    layer(x)
    other = CODEBOOKS[name](init=init)
    other.load_state_dict(layer.state_dict())
    # In training mode: a loaded codebook must not be initialised a second time.
    other(torch.randn(64, F) + 10)
    assert torch.equal(other.codebook, layer.codebook)
    torch.testing.assert_close(other(x).quantized, layer(x).quantized)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_output_has_the_dtype_of_the_input(name, dtype):
    layer = CODEBOOKS[name]()
    x = torch.randn(30, F).to(dtype)
    output = layer(x)
    wide = layer(x.to(torch.promote_types(dtype, torch.float32)))
    assert output.quantized.dtype == dtype
    assert output.loss.dtype == torch.promote_types(dtype, torch.float32)
    # Solved in at least float32 from the same numbers: the codes are the same, not merely close.
    assert torch.equal(output.indices, wide.indices)
    torch.testing.assert_close(output.quantized, wide.quantized.to(dtype))


@every
def test_autocast_does_not_reach_the_codes(name):
    layer = CODEBOOKS[name]()
    x = torch.randn(200, F)
    plain = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = layer(x)
        half = layer(x.bfloat16())
    assert torch.equal(cast.quantized, plain.quantized)
    assert half.quantized.dtype == torch.bfloat16
    torch.testing.assert_close(half.loss, layer(x.bfloat16()).loss)


@every
def test_info_is_detached_scalars(name):
    info = CODEBOOKS[name]()(torch.randn(9, F, requires_grad=True)).info
    assert {"hard_perplexity", "active_codes"} <= info.keys()
    for key, value in info.items():
        assert value.shape == () and not value.requires_grad, key


@every
def test_wrong_input_is_refused_by_name(name):
    layer = CODEBOOKS[name](channel_dim=1)
    with pytest.raises(ValueError, match=r"x has shape \(2, 5, 3, 3\), must have 4 channels"):
        layer(torch.randn(2, 5, 3, 3))
    with pytest.raises(ValueError, match="x has shape"):
        layer(torch.randn(F))
    with pytest.raises(TypeError):
        layer(torch.zeros(2, F, 3, 3, dtype=torch.long))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"codebook_size": 0}, ValueError, "codebook_size is 0, must be at least 1"),
        ({"dim": 0}, ValueError, "dim is 0, must be at least 1"),
        ({"init": "zeros"}, ValueError, "init is 'zeros', must be one of: normal, uniform, kmeans"),
        ({"lam": 0.0}, ValueError, "lam is 0.0, must be finite and > 0"),
        ({"lam": float("nan")}, ValueError, "lam is nan"),
        ({"quantization_weight": -1.0}, ValueError, "quantization_weight is -1.0"),
        ({"on_failure": "ignore"}, ValueError, "on_failure is 'ignore', must be one of: raise, warn, fallback"),
        ({"backend": "simplex"}, ValueError, "backend is 'simplex', must be one of: .*interior_point"),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_wrong_arguments_are_refused_by_name(options, error, message):
    with pytest.raises(error, match=message):
        SoftConvexQuantizer(**{"codebook_size": K, "dim": F} | options)


def test_layers_survive_deepcopy_and_half():
    layer = nn.Sequential(SoftConvexQuantizer(K, F)).half()
    output = copy.deepcopy(layer)(torch.randn(5, F).half())
    assert output.quantized.dtype == torch.float16
