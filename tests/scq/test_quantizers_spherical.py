"""Latents and codewords of length 1."""

import pytest
import torch

from scq.quantizers import ComposedQuantizer, SoftConvexQuantizer
from scq.quantizers.assignments import Nearest
from scq.quantizers.codebooks import EMA, FixedGrid, Linear, Spherical
from scq.quantizers.gradients import StraightThrough
from scq.quantizers.regularizers import CodebookTerm, Commitment

K, F = 12, 4


def length(rows):
    return rows.norm(dim=-1)


def test_scale_of_latents_and_codewords_counts_nowhere():
    layer = SoftConvexQuantizer(K, F, codebook=Spherical()).double()
    x = torch.randn(20, F, dtype=torch.float64)
    before = layer(x)
    with torch.no_grad():
        layer.embedding.of.codewords.mul_(torch.rand(K, 1) + 0.5)
    after = layer(x * (torch.rand(20, 1) + 0.5))
    torch.testing.assert_close(after.quantized, before.quantized)
    torch.testing.assert_close(after.loss, before.loss)
    torch.testing.assert_close(length(layer.decode(before.indices)), torch.ones(20, dtype=torch.float64))
    assert (length(before.quantized) <= 1).all() and (length(before.quantized) < 0.999).any()


def test_is_the_programme_of_the_scaled_problem():
    layer, x = SoftConvexQuantizer(K, F, codebook=Spherical()).double(), torch.randn(20, F, dtype=torch.float64)
    plain = SoftConvexQuantizer(K, F).double()
    with torch.no_grad():
        plain.codebook.copy_(layer.embedding.of.codewords / length(layer.embedding.of.codewords)[:, None])
    torch.testing.assert_close(layer(x).weights, plain(x / length(x)[:, None]).weights)


@pytest.mark.parametrize("backend", ["active_set", "relaxed"])
def test_gradients_agree_with_finite_differences(backend):
    layer = SoftConvexQuantizer(K, F, codebook=Spherical(), backend=backend).double()

    def of(x, codebook):
        output = torch.func.functional_call(layer, {"embedding.of.codewords": codebook}, (x,))
        return output.quantized, output.loss

    x = torch.randn(5, F, dtype=torch.float64, requires_grad=True)
    codebook = layer.embedding.of.codewords.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(of, (x, codebook), eps=1e-6, atol=1e-5, fast_mode=True)


def test_latents_without_a_direction_spoil_no_other():
    layer = SoftConvexQuantizer(K, F, codebook=Spherical())
    x = torch.randn(6, F)
    x[0], x[1, 2], x[2, 1], x[3] = 0.0, torch.nan, torch.inf, 1e30
    x.requires_grad_()
    output = layer(x)
    (output.quantized.square().sum() + output.loss).backward()
    assert output.quantized.isfinite().all() and int(output.info["failed_columns"]) == 2
    assert x.grad.isfinite().all() and not x.grad[1:3].any()
    assert layer.embedding.of.codewords.grad.isfinite().all()


def test_holds_other_kinds_and_freezes_them():
    layer = SoftConvexQuantizer(K, F, codebook=Spherical(Linear()))
    layer.freeze()
    assert not layer.embedding.of.basis.requires_grad
    assert Spherical(EMA()).trained is False
    terms = [CodebookTerm(), Commitment()]
    with pytest.raises(ValueError, match="no gradient moves such a codebook"):
        ComposedQuantizer(K, F, Spherical(EMA()), Nearest(), StraightThrough(), terms)
    with pytest.raises(ValueError, match="codebook is ema and assignment is scq"):
        SoftConvexQuantizer(K, F, codebook=Spherical(EMA()))
    with pytest.raises(ValueError, match="must be a Codebook whose codewords may have any length"):
        Spherical(FixedGrid((3, 3)))


def test_kmeans_starts_on_the_sphere():
    layer = ComposedQuantizer(3, 2, Spherical(), Nearest(), StraightThrough(), [CodebookTerm()], init="kmeans")
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    layer(directions.repeat(20, 1) * (10 * torch.rand(60, 1) + 1))
    found = layer.codebook[layer.eval()(directions).indices]
    torch.testing.assert_close(found, directions)


def test_moving_averages_on_the_sphere_are_those_of_the_widely_used_layer():
    peer = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    theirs = peer.VectorQuantize(F, K, use_cosine_sim=True, rotation_trick=False, commitment_weight=0.25, decay=0.9)
    ours = ComposedQuantizer(K, F, Spherical(EMA(0.9, 0.0)), Nearest(), StraightThrough(), [Commitment(0.25)])
    ours.embedding.restart(theirs.codebook)
    for _ in range(5):
        x = torch.randn(1, 200, F)
        (quantized, indices, loss), output = theirs(x), ours(x)
        assert torch.equal(output.indices, indices)
        torch.testing.assert_close(output.quantized, quantized)
        torch.testing.assert_close(output.loss, loss.squeeze())
        torch.testing.assert_close(ours.codebook, theirs.codebook)
