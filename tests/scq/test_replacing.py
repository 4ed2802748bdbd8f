"""What docs/replacing.md says of a change from vector-quantize-pytorch, against that package."""

import re
from pathlib import Path

import pytest
import torch

import scq
from scq.quantizers import SoftConvexQuantizer
from scq.quantizers.codebooks import Spherical

peer = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "replacing.md"
K, F = 128, 16


def test_the_lines_after_give_what_the_lines_before_gave():
    before, after = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[:2]
    assert len([line for line in after.splitlines() if line]) == 5
    scope: dict = {}
    outputs = []
    for block in (before, after):
        exec(block, scope)
        outputs.append([scope[name] for name in ("quantized", "indices", "loss", "codes")])
    for theirs, ours in zip(*outputs, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    (scope["quantized"].square().mean() + scope["loss"]).backward()
    assert scope["latents"].grad.any() and scope["layer"].codebook.grad.any()


@pytest.mark.parametrize(
    ("shape", "theirs", "channel_dim"),
    [
        ((2, 10, F), {}, -1),
        ((2, F, 10), {"channel_last": False}, 1),
        ((2, F, 4, 5), {"accept_image_fmap": True}, 1),
        ((2, F, 2, 3, 4), {"accept_3d_fmap": True}, 1),
    ],
)
@pytest.mark.parametrize("cosine", [False, True])
def test_codes_are_the_same_ones_in_the_same_places(shape, theirs, channel_dim, cosine):
    """At a large lam, where the nearest codeword has the largest weight."""
    them = peer.VectorQuantize(F, K, use_cosine_sim=cosine, **theirs).eval()
    kind = {"codebook": Spherical()} if cosine else {}
    us = SoftConvexQuantizer(K, F, lam=1e4, channel_dim=channel_dim, **kind)
    us.set_codebook(them.codebook.detach())
    x = torch.randn(shape)
    quantized, indices, _ = them(x)
    output = us(x)
    assert torch.equal(output.indices, indices)
    torch.testing.assert_close(us.decode(indices), them.get_codes_from_indices(indices))
    assert torch.equal(us.get_codes_from_indices(indices), us.decode(indices))
    torch.testing.assert_close(output.quantized, quantized, atol=5e-3, rtol=0)


def test_padding_is_zero_and_its_index_differs():
    them, us = peer.VectorQuantize(F, K).eval(), SoftConvexQuantizer(K, F)
    x, mask = torch.randn(2, 10, F), torch.arange(10).expand(2, 10) < 7
    theirs, ours = them(x, mask=mask), us(x, mask=mask)
    assert not theirs[0][~mask].any() and not ours.quantized[~mask].any()
    assert (theirs[1][~mask] == -1).all() and (ours.indices[~mask] == 0).all()


def test_the_loss_in_evaluation_differs():
    x = torch.randn(2, 10, F)
    assert float(peer.VectorQuantize(F, K).eval()(x)[2].detach()) == 0
    assert float(SoftConvexQuantizer(K, F).eval()(x).loss.detach()) > 0


@pytest.mark.parametrize("name", ["vq", "vq_ema", "rotation", "gumbel"])
def test_the_rivals_on_the_page_are_there(name):
    assert f'"{name}"' in PAGE.read_text()
    quantized, indices, loss, *_ = scq.quantizer(name, K, F, channel_dim=1)(torch.randn(2, F, 4, 4))
    assert quantized.shape == (2, F, 4, 4) and indices.shape == (2, 4, 4) and loss.dim() == 0
