"""Residual and grouped codes against those of the widely used library."""

import pytest
import torch

from scq import Grouped, Residual
from scq.quantizers import ComposedQuantizer
from scq.quantizers.assignments import Nearest
from scq.quantizers.codebooks import Direct
from scq.quantizers.gradients import Rotation, StraightThrough
from scq.quantizers.regularizers import QuantizationError

peer = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")

K, F, S, G = 24, 6, 3, 2
LEARNED = {"learnable_codebook": True, "ema_update": False, "commitment_weight": 0.7}


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def stage(gradient=StraightThrough, dim=F, channel_dim=-1):
    """Its learned codebook has the symmetric error as the loss."""
    return ComposedQuantizer(K, dim, Direct(), Nearest(), gradient(), [QuantizationError(0.7)], channel_dim)


def copied(ours, theirs):
    for own, other in zip(ours.parts(), theirs.layers, strict=True):
        own.set_codebook(other.codebook.detach())
    return ours


def gradients(output, loss, upstream, x, parameters):
    """Of <upstream, quantized>, and of the loss."""
    of_quantized = torch.autograd.grad((output * upstream).sum(), x, retain_graph=True)
    return of_quantized[0], torch.autograd.grad(loss, [x, *parameters])


@pytest.mark.parametrize("rotation", [False, True])
def test_residual_codes_with_their_gradients(rotation):
    """It adds the gradients of the stages, where ours has their mean: straight through, that of one quantizer."""
    theirs = peer.ResidualVQ(dim=F, num_quantizers=S, codebook_size=K, rotation_trick=rotation, **LEARNED)
    ours = copied(Residual(lambda _: stage(Rotation if rotation else StraightThrough), S), theirs)
    x, upstream = torch.randn(4, 50, F, requires_grad=True), torch.randn(4, 50, F)
    a, (quantized, indices, losses) = ours(x), theirs(x)
    assert torch.equal(a.indices, indices)
    close(a.quantized, quantized)
    close(a.loss, losses.sum())
    of_quantized, of_loss = gradients(a.quantized, a.loss, upstream, x, [p.codebook for p in ours.parts()])
    embeds = [layer._codebook.embed for layer in theirs.layers]
    by_quantized, by_loss = gradients(quantized, losses.sum(), upstream, x, embeds)
    close(S * of_quantized, by_quantized)
    if not rotation:
        close(of_quantized, upstream)
    for own, other in zip(of_loss, by_loss, strict=True):
        close(own, other.reshape(own.shape))
    close(ours.decode(indices), theirs.get_output_from_indices(indices))


def test_coarser_codes_and_dropped_stages_decode_the_same():
    theirs = peer.ResidualVQ(dim=F, num_quantizers=S, codebook_size=K, quantize_dropout=True, **LEARNED)
    ours = copied(Residual(lambda _: stage(), S), theirs)
    indices = torch.randint(0, K, (4, 50, S))
    close(ours.decode(indices[..., :2]), theirs.get_output_from_indices(indices[..., :2]))
    indices[:2, :, 1:] = -1
    close(ours.decode(indices), theirs.get_output_from_indices(indices))


def test_a_codebook_that_all_stages_share():
    theirs = peer.ResidualVQ(dim=F, num_quantizers=S, codebook_size=K, shared_codebook=True, **LEARNED).eval()
    ours = Residual(stage(), S)
    ours.parts()[0].set_codebook(theirs.layers[0].codebook.detach())
    x = torch.randn(4, 50, F)
    a, (quantized, indices, _) = ours(x), theirs(x)
    assert torch.equal(a.indices, indices) and len(list(ours.parameters())) == 1
    close(a.quantized, quantized)
    close(ours.decode(indices), theirs.get_output_from_indices(indices))


def test_groups_of_residual_codes():
    """Theirs has channels last: its pictures (accept_image_fmap) fail in 1.32."""
    theirs = peer.GroupedResidualVQ(
        dim=G * F, groups=G, num_quantizers=S, codebook_size=K, rotation_trick=False, **LEARNED
    )
    ours = Grouped(lambda _: Residual(lambda _: stage(channel_dim=1), S), G)
    for own, other in zip(ours.parts(), theirs.rvqs, strict=True):
        copied(own, other)
    x, upstream = torch.randn(2, G * F, 20, requires_grad=True), torch.randn(2, G * F, 20)
    a, (quantized, indices, losses) = ours(x), theirs(x.mT)
    quantized = quantized.mT
    assert torch.equal(a.indices, indices.movedim(0, -1))
    close(a.quantized, quantized)
    # The mean over groups.
    close(G * a.loss, losses.sum())
    of_quantized, (of_loss,) = gradients(a.quantized, a.loss, upstream, x, [])
    by_quantized, (by_loss,) = gradients(quantized, losses.sum(), upstream, x, [])
    close(S * of_quantized, by_quantized)
    close(G * of_loss, by_loss)
    close(ours.decode(a.indices), theirs.get_output_from_indices(indices).mT)
