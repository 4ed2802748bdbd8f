"""The widely used library as an oracle, where its definition is the paper's; where it is not, why."""

import pytest
import torch

from scq.quantizers import ComposedQuantizer, assignments, codebooks, gradients, quantizer
from scq.quantizers import regularizers as terms

peer = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")

K, F, N = 24, 6, 200


def both(ours, theirs, x, upstream):
    """Outputs of both, and the gradient of <upstream, quantized> + loss with respect to the latents."""
    outputs = []
    for layer in (ours, theirs):
        latents = x.clone().requires_grad_()
        output = layer(latents)
        layer.zero_grad()
        ((output[0] * upstream).sum() + (output[2] if len(output) > 2 else 0)).backward()
        outputs.append((output, latents.grad))
    return outputs


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("rotation", "gradient"), [(False, gradients.StraightThrough()), (True, gradients.Rotation())])
def test_nearest_codeword_with_either_gradient(rotation, gradient):
    """Its learned codebook has the symmetric error as the loss, which is ours of that name: beta scales both halves.
    The paper's beta scales the commitment term alone, which is why the named methods have the two terms."""
    theirs = peer.VectorQuantize(
        F, K, learnable_codebook=True, ema_update=False, rotation_trick=rotation, commitment_weight=0.7
    )
    loss = [terms.QuantizationError(0.7)]
    ours = ComposedQuantizer(K, F, codebooks.Direct(), assignments.Nearest(), gradient, loss)
    with torch.no_grad():
        ours.codebook.copy_(theirs.codebook)
    x, upstream = torch.randn(1, N, F), torch.randn(1, N, F)
    (a, grad_a), (b, grad_b) = both(ours, theirs, x, upstream)
    assert torch.equal(a.indices, b[1])
    close(a.quantized, b[0])
    close(a.loss, b[2])
    close(grad_a, grad_b)
    close(ours.codebook.grad, theirs._codebook.embed.grad[0])


@pytest.mark.parametrize("name", ["vq", "rotation"])
def test_the_named_methods_have_its_gradients_at_beta_one(name):
    """The codebook and the commitment term together have the gradient of the symmetric error, and twice its value."""
    theirs = peer.VectorQuantize(F, K, learnable_codebook=True, ema_update=False, rotation_trick=name == "rotation")
    ours = quantizer(name, K, F, commitment_weight=1.0)
    with torch.no_grad():
        ours.codebook.copy_(theirs.codebook)
    (a, grad_a), (b, grad_b) = both(ours, theirs, torch.randn(1, N, F), torch.randn(1, N, F))
    close(a.loss, 2 * b[2])
    close(grad_a, grad_b)
    close(ours.codebook.grad, theirs._codebook.embed.grad[0])


def test_moving_averages_over_many_steps():
    """Without revival: it replaces dead codewords below an absolute count, ours below a share of uniform use."""
    theirs = peer.VectorQuantize(F, K, decay=0.9, rotation_trick=False, commitment_weight=0.25)
    ours = quantizer("vq_ema", K, F, decay=0.9, revive_below=0.0)
    ours.embedding.restart(theirs.codebook)
    for _ in range(10):
        (a, grad_a), (b, grad_b) = both(ours, theirs, torch.randn(1, N, F), torch.randn(1, N, F))
        assert torch.equal(a.indices, b[1])
        close(a.quantized, b[0])
        close(a.loss, b[2])
        close(grad_a, grad_b)
        close(ours.codebook, theirs.codebook)
        close(ours.embedding.cluster_size, theirs._codebook.cluster_size[0])


def test_simvq():
    theirs = peer.SimVQ(F, K, rotation_trick=False)
    ours = quantizer("simvq", K, F)
    with torch.no_grad():
        ours.embedding.coordinates.copy_(theirs.frozen_codebook)
        ours.embedding.basis.copy_(theirs.code_transform.weight.T)
    (a, grad_a), (b, grad_b) = both(ours, theirs, torch.randn(1, N, F), torch.randn(1, N, F))
    assert torch.equal(a.indices, b[1])
    close(a.quantized, b[0])
    close(a.loss, b[2])
    close(grad_a, grad_b)
    close(ours.embedding.basis.grad, theirs.code_transform.weight.grad.T)
    close(ours.decode(a.indices), theirs.indices_to_codes(b[1]))


def test_simvq_with_the_rotation_trick():
    """One line of ours; the default of theirs."""
    theirs = peer.SimVQ(F, K)
    loss = [terms.CodebookTerm(), terms.Commitment(0.25)]
    ours = ComposedQuantizer(K, F, codebooks.Linear(), assignments.Nearest(), gradients.Rotation(), loss)
    with torch.no_grad():
        ours.embedding.coordinates.copy_(theirs.frozen_codebook)
        ours.embedding.basis.copy_(theirs.code_transform.weight.T)
    upstream = torch.randn(1, N, F)
    (a, grad_a), (b, grad_b) = both(ours, theirs, torch.randn(1, N, F), upstream)
    close(a.quantized, b[0])
    close(a.loss, b[2])
    close(grad_a, grad_b)


@pytest.mark.parametrize(("levels", "dim"), [((8, 5, 5), 3), ((8, 6, 5), 7), ((7, 5, 5, 5, 5), 5), ((4, 3), 2)])
def test_finite_scalars(levels, dim):
    theirs = peer.FSQ(list(levels), dim=dim)
    ours = quantizer("fsq", 1, dim, levels=levels)
    ours.embedding.project_in.load_state_dict(theirs.project_in.state_dict())
    ours.embedding.project_out.load_state_dict(theirs.project_out.state_dict())
    x, upstream = 2 * torch.randn(1, N, dim), torch.randn(1, N, dim)
    (a, grad_a), (b, grad_b) = both(ours, theirs, x, upstream)
    assert torch.equal(a.indices, b[1].long())
    close(a.quantized, b[0])
    close(grad_a, grad_b)
    for mine, of_peer in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(mine.grad, of_peer.grad)
    close(ours.codebook, theirs.indices_to_codes(torch.arange(ours.codebook_size)[None])[0])
