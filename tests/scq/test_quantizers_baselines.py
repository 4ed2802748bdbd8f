"""The quantizers to compare against, and the registry that makes all by name."""

import math

import pytest
import torch

from scq.quantizers import NoQuantizer, VectorQuantizer, entries, quantizer

K, F = 12, 4


def test_registry_makes_each_quantizer_by_name():
    for entry in entries():
        layer = quantizer(entry.name, K, F, channel_dim=1)
        assert layer(torch.randn(2, F, 3, 3)).quantized.shape == (2, F, 3, 3)
    assert quantizer("scq_relaxed", K, F, relaxation_steps=7).backend_options["steps"] == 7


def test_unknown_quantizer_lists_the_known_ones():
    with pytest.raises(ValueError, match="quantizer is 'simvq2', must be one of: scq, scq_relaxed, scq_annealed"):
        quantizer("simvq2", K, F)


def test_no_quantizer_is_the_identity():
    layer = NoQuantizer(channel_dim=1)
    x = torch.randn(2, F, 3, 5)
    output = layer(x)
    assert output.quantized is x
    assert output.loss == 0 and output.weights is None and output.info == {}
    assert output.indices.shape == (2, 3, 5) and not output.indices.any()
    with pytest.raises(TypeError, match="no codebook"):
        layer.decode(output.indices)


def test_commitment_weight_scales_the_commitment_term_alone():
    """taming-transformers had beta on the codebook term: with beta 0 the codebook must still learn, the latents not."""
    layer = VectorQuantizer(K, F, commitment_weight=0.25)
    x = torch.randn(40, F, requires_grad=True)

    def gradients(beta):
        layer.commitment_weight = beta
        return torch.autograd.grad(layer(x).loss, (x, layer.codebook))

    none, quarter, full = gradients(0.0), gradients(0.25), gradients(1.0)
    assert not none[0].any()
    torch.testing.assert_close(4 * quarter[0], full[0])
    torch.testing.assert_close(none[1], full[1])
    assert none[1].abs().sum() > 0


def test_vector_quantizer_matches_the_definition_by_a_loop():
    layer = VectorQuantizer(K, F, commitment_weight=0.3)
    x = torch.randn(25, F, requires_grad=True)
    output = layer(x)
    rows, codewords = x.tolist(), layer.codebook.tolist()
    nearest = torch.tensor([min(range(K), key=lambda k, z=z: math.dist(z, codewords[k])) for z in rows])
    assert torch.equal(output.indices, nearest)
    square = (layer.codebook[nearest] - x).square().mean()
    torch.testing.assert_close(output.loss, 1.3 * square)
    upstream = torch.randn_like(x)
    torch.testing.assert_close(torch.autograd.grad(output.quantized, x, upstream)[0], upstream)
