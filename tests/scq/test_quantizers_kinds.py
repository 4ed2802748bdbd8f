"""Kinds of codebook: what they hold, and what moves them."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scq.quantizers import quantizer
from scq.quantizers.codebooks.fixed_grid import levels_for

K, F = 12, 4
PROCESSES = Path(__file__).parents[1] / "helpers" / "two_processes.py"


def test_moving_averages_match_the_definition_by_a_loop():
    layer = quantizer("vq_ema", K, F, decay=0.8, revive_below=0.0)
    codebook = layer.codebook.tolist()
    sizes, sums = [1.0] * K, [list(row) for row in codebook]
    for _ in range(3):
        x = torch.randn(50, F)
        layer(x)
        chosen = [min(range(K), key=lambda k, z=z: math.dist(z, codebook[k])) for z in x.tolist()]
        for k in range(K):
            members = [z for z, index in zip(x.tolist(), chosen, strict=True) if index == k]
            sizes[k] = 0.8 * sizes[k] + 0.2 * len(members)
            sums[k] = [0.8 * s + 0.2 * sum(z[f] for z in members) for f, s in enumerate(sums[k])]
        total = sum(sizes)
        smooth = [total * (n + 1e-5) / (total + K * 1e-5) for n in sizes]
        codebook = [[s / n for s in row] for row, n in zip(sums, smooth, strict=True)]
        torch.testing.assert_close(layer.codebook, torch.tensor(codebook))
    torch.testing.assert_close(layer.embedding.cluster_size, torch.tensor(sizes))


def test_a_bad_start_is_recovered_from_and_the_averages_start_anew():
    """All codewords far from the data: one is nearest to everything, and the others never move without revival."""
    used = {}
    for revive_below in (0.0, 0.1):
        torch.manual_seed(0)
        layer = quantizer("vq_ema", K, F, revive_below=revive_below, decay=0.9)
        layer.embedding.restart(100 + torch.randn(K, F))
        for _ in range(60):
            output = layer(torch.randn(200, F))
        used[revive_below] = int(output.info["active_codes"])
    assert used[0.0] <= 2 and used[0.1] == K


def test_dead_codewords_become_different_latents_of_the_batch():
    layer = quantizer("vq_ema", K, F, decay=0.0)
    far = 100 + torch.randn(K, F)
    layer.embedding.restart(torch.cat([torch.zeros(1, F), far[1:]]))
    x = torch.randn(30, F)
    mask = torch.arange(30) < 20
    layer(x, mask)
    revived = layer.codebook[1:]
    codeword, places = (revived[:, None] == x).all(2).nonzero().T
    assert torch.equal(codeword, torch.arange(K - 1))
    assert len(set(places.tolist())) == K - 1 and (places < 20).all()
    torch.testing.assert_close(layer.embedding.cluster_size[1:], torch.full((K - 1,), 20 / K))


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
@pytest.mark.parametrize("revive_below", [0.0, 0.9])
def test_averages_and_revival_leave_out_what_is_not_finite(wrong, revive_below):
    """A step that fp16 overflows in is skipped by gradient scaling; an average would be NaN from then on."""
    layer = quantizer("vq_ema", K, F, decay=0.5, revive_below=revive_below)
    x = torch.randn(30, F)
    x[:20, 1] = wrong
    layer(x)
    assert all(buffer.isfinite().all() for buffer in layer.buffers())
    if not revive_below:
        assert float(layer.embedding.cluster_size.sum()) == pytest.approx(0.5 * K + 0.5 * 10)


def test_with_fewer_latents_than_dead_codewords_the_rest_wait():
    layer = quantizer("vq_ema", K, F, decay=0.01)
    layer.embedding.restart(100 + torch.randn(K, F))
    x = torch.randn(5, F)
    layer(x)
    assert int((layer.codebook[:, None] == x).all(2).any(1).sum()) == 5
    assert int((layer.codebook > 50).all(1).sum()) >= K - 6


@pytest.mark.parametrize("name", ["simvq", "simvq_joint", "simvq_diagonal"])
def test_products_are_what_they_say(name):
    layer = quantizer(name, 500, 32)
    x = torch.randn(20, 32)
    layer(x).loss.backward()
    if name == "simvq_diagonal":
        assert torch.equal(layer.embedding.scale, torch.ones(32))
        torch.testing.assert_close(layer.codebook, layer.embedding.coordinates @ torch.diag(layer.embedding.scale))
    else:
        assert float(layer.embedding.coordinates.detach().std()) == pytest.approx(32**-0.5, rel=0.05)
        torch.testing.assert_close(layer.codebook, layer.embedding.coordinates @ layer.embedding.basis)
    assert layer.embedding.coordinates.requires_grad == (name != "simvq")


def test_a_linear_codebook_moves_codewords_that_nothing_chose():
    """The point of SimVQ: a direct codebook moves only what is nearest to some latent."""
    x = torch.randn(1, F)
    moved = {}
    for name in ("vq", "simvq"):
        torch.manual_seed(0)
        layer = quantizer(name, K, F)
        before = layer.codebook.detach().clone()
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        layer(x).loss.backward()
        optimizer.step()
        moved[name] = int((layer.codebook != before).any(1).sum())
    assert moved == {"vq": 1, "simvq": K}


@pytest.mark.parametrize(
    ("codebook_size", "levels"),
    [
        (2**8, (8, 6, 5)),
        (2**10, (8, 5, 5, 5)),
        (2**12, (7, 5, 5, 5, 5)),
        (2**16, (8, 8, 8, 5, 5, 5)),
        (128, (5, 5, 5)),
        (64, (8, 8)),
        (512, (8, 8, 8)),
        (100, (5, 5, 4)),
        (12, (4, 3)),
        (8, (8,)),
        (3, (3,)),
    ],
)
def test_levels_are_the_published_ones_or_the_closest(codebook_size, levels):
    assert levels_for(codebook_size) == levels


@pytest.mark.parametrize("codebook_size", [25, 70, 90, 110, 300, 1000, 3000, 20000, 200000])
def test_levels_come_close_to_any_size(codebook_size):
    assert math.prod(levels_for(codebook_size)) == pytest.approx(codebook_size, rel=0.1)


@pytest.mark.parametrize("levels", [(5,), (8, 6, 5), (4, 3, 7, 5)])
def test_every_codeword_of_the_grid_can_be_reached_and_is_its_own_code(levels):
    layer = quantizer("fsq", 1, len(levels), levels=levels)
    assert layer.codebook_size == math.prod(levels) == len(set(map(tuple, layer.codebook.tolist())))
    # Where f is the wanted level, by its inverse.
    L = torch.tensor(levels)
    half, offset = (L - 1) * 1.001 / 2, (1 - L % 2) / 2
    latents = torch.atanh((layer.codebook * (L // 2) + offset) / half) - torch.atanh(offset / half)
    output = layer(latents)
    assert torch.equal(output.indices, torch.arange(layer.codebook_size))
    torch.testing.assert_close(output.quantized, layer.codebook)
    assert float(output.info["hard_perplexity"]) == pytest.approx(layer.codebook_size)


@pytest.mark.slow
def test_two_processes_have_one_codebook():
    """Moving averages, revival and the k-means start, against one process with all the latents."""
    subprocess.run([sys.executable, PROCESSES], check=True, timeout=60)
