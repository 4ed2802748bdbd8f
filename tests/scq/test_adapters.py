"""The adapters without their hosts: what goes on, what is kept, what is refused."""

import copy
import pickle

import pytest
import torch

import scq
from scq import Grouped, NoQuantizer, Residual
from scq.adapters import dac, vq_model, wav2vec2
from scq.quantizers import perplexity

K = 12


def pictures(name: str, **options):
    return scq.quantizer(name, K, 4, channel_dim=1, **options)


@pytest.mark.parametrize("name", ["vq", "rotation", "vq_ema", "fsq", "scq", "smoothed_perplexity"])
def test_latents_with_the_same_code_are_equal_bit_for_bit(name):
    """Of hard codes as they are; of mixtures where codewords are asked for, with the gradient of the mixture."""
    layer, x = scq.quantizer(name, K, 4), torch.randn(2, 90, 4, requires_grad=True)
    soft = layer.gradient.soft
    adapter = wav2vec2(layer, 4, hard=soft)
    torch.nn.init.eye_(adapter.project.weight)
    torch.nn.init.zeros_(adapter.project.bias)
    mask = torch.rand(2, 90) < 0.8
    codewords = layer.codebook.detach().clone()
    quantized = adapter(x, mask)[0]
    indices = adapter.output.indices
    if name != "fsq":  # its codewords are projected
        assert torch.equal(quantized[mask], codewords[indices[mask]])
    for code in indices[mask].unique():
        own = quantized[mask & (indices == code)]
        assert (own == own[0]).all()
    assert not quantized[~mask].any()
    upstream = torch.randn_like(quantized)
    (gradient,) = torch.autograd.grad((quantized * upstream).sum(), x)
    layer.eval()
    (expected,) = torch.autograd.grad((layer(x, mask).quantized * upstream).sum(), x)
    if name == "vq_ema":  # has moved meanwhile
        expected = upstream * mask.unsqueeze(-1)
    torch.testing.assert_close(gradient, expected)


def test_the_last_output_is_kept_and_a_copy_has_none():
    adapter = vq_model(pictures("scq"))
    assert adapter.output is None
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    quantized, loss, (perplexity, _, codes) = adapter(x)
    assert quantized is adapter.output.quantized and loss is adapter.output.loss
    assert torch.equal(codes, adapter.output.indices.flatten()) and perplexity == adapter.output.info["hard_perplexity"]
    loss.backward()
    for other in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):
        assert other.output is None and torch.equal(other(x)[0], quantized)
    assert adapter.output is not None


@pytest.mark.parametrize(
    ("layer", "own"),
    [
        (lambda: pictures("vq"), ()),
        (lambda: Residual(lambda _: pictures("vq"), 3), (3,)),
        (lambda: Grouped(lambda _: Residual(lambda _: pictures("vq"), 3), 2), (3, 2)),
    ],
    ids=["one", "stages", "stages in groups"],
)
def test_codes_come_back_as_they_went(layer, own):
    layer = layer().eval()
    adapter, x = vq_model(layer), torch.randn(2, layer.dim, 3, 5)
    quantized, _, (_, _, codes) = adapter(x)
    assert codes.shape == (30, *own)
    shape = (2, 3, 5, layer.dim)
    torch.testing.assert_close(adapter.get_codebook_entry(codes, shape), quantized)
    torch.testing.assert_close(adapter.get_codebook_entry(codes.reshape(2, 3, 5, *own), shape), quantized)
    rows = quantized.movedim(1, -1).reshape(30, -1)
    torch.testing.assert_close(adapter.get_codebook_entry(codes, None), rows)

    adapter, x = dac(layer).eval(), torch.randn(2, layer.dim, 7)
    quantized, codes, latents, commitment, loss = adapter(x)
    assert codes.shape == (2, max(1, torch.Size(own).numel()), 7)
    assert latents is x and commitment == 0 and loss is adapter.output.loss
    torch.testing.assert_close(adapter.from_codes(codes)[0], quantized)


def test_a_codec_has_coarser_codes_in_evaluation():
    layer = Residual(lambda _: pictures("scq"), 3)
    adapter, x = dac(layer), torch.randn(2, 4, 7)
    assert adapter(x, 1)[1].shape == (2, 3, 7)
    for n in (1, 2, 3):
        quantized, codes, *_ = adapter.eval()(x, n)
        torch.testing.assert_close(
            quantized, sum(layer(x).weights[..., s, :] @ layer.layers[s].codebook for s in range(n)).mT
        )
        assert torch.equal(codes, layer(x).indices.movedim(-1, 1)[:, :n])
        torch.testing.assert_close(adapter.from_codes(codes)[0], layer.decode(codes.movedim(1, -1)))


def test_the_perplexity_of_weights_has_a_gradient_in_training():
    """That of the mean weights of the frames that count, summed over codebooks, as wav2vec 2.0 has it."""
    layer = Grouped(lambda _: scq.quantizer("scq", K, 4), 2)
    adapter, x = wav2vec2(layer, 6), torch.randn(2, 9, 6)
    mask = torch.rand(2, 9) < 0.7
    found = adapter(x, mask)[1]
    weights = adapter.output.weights[mask]
    torch.testing.assert_close(found, sum(perplexity(weights[:, group].mean(0)) for group in range(2)))
    found.backward()
    assert layer.layers[1].codebook.grad.any() and adapter.project.weight.grad.any()
    codes = adapter.eval()(x, mask)[1]
    assert codes == adapter.output.info["hard_perplexity"].sum() and not codes.requires_grad


def test_without_quantization_latents_pass():
    x = torch.randn(2, 4, 3, 3)
    assert torch.equal(vq_model(NoQuantizer(1))(x)[0], x)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: vq_model("vq"), TypeError, "quantizer is a str, must be a quantizer of scq"),
        (lambda: vq_model(scq.quantizer("vq", K, 4)), ValueError, "quantizer has channel_dim=-1, must have 1"),
        (lambda: dac(scq.quantizer("vq", K, 4)), ValueError, "quantizer has channel_dim=-1, must have 1"),
        (lambda: wav2vec2(pictures("vq"), 8), ValueError, "quantizer has channel_dim=1, must have -1"),
        (lambda: wav2vec2(NoQuantizer(), 8), TypeError, "NoQuantizer, must be a quantizer with a codebook"),
        (lambda: wav2vec2(scq.quantizer("vq", K, 4), 0), ValueError, "width is 0, must be at least 1"),
        (lambda: vq_model(NoQuantizer(1), hard=True), ValueError, "hard is True, but a NoQuantizer has no codewords"),
        (
            lambda: dac(Residual(lambda _: pictures("vq"), 2)).eval()(torch.zeros(1, 4, 2), 3),
            ValueError,
            "stages is 3, must be at most 2",
        ),
        (
            lambda: dac(pictures("vq")).eval()(torch.zeros(1, 4, 2), 2),
            ValueError,
            "n_quantizers is 2, must be None or 1",
        ),
        (
            lambda: setattr(wav2vec2(scq.quantizer("vq", K, 4), 8), "temperature", 2.0),
            AttributeError,
            "leave set_gumbel_temperature out",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()
