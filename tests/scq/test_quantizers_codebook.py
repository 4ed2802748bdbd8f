"""Where codebooks start, and how their use is counted."""

import math

import pytest
import torch

from scq.quantizers import SoftConvexQuantizer, Usage, VectorQuantizer, perplexity
from scq.quantizers.codebooks.start import initial_codebook, kmeans


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def clusters(per_cluster=50):
    centres = torch.tensor([[10.0, 0.0], [0.0, 10.0], [-10.0, -10.0]])
    points = centres.repeat(per_cluster, 1) + 0.1 * torch.randn(3 * per_cluster, 2)
    return centres, points[torch.randperm(len(points))]


def test_normal_and_uniform_ranges():
    normal, uniform = initial_codebook(2000, 8, "normal"), initial_codebook(2000, 8, "uniform")
    assert float(normal.std()) == pytest.approx(1, abs=0.03)
    assert float(uniform.abs().max()) <= 1 / 2000
    assert float(uniform.std()) == pytest.approx(1 / 2000 / math.sqrt(3), rel=0.03)


@pytest.mark.parametrize("layer", [SoftConvexQuantizer, VectorQuantizer])
def test_kmeans_takes_the_codebook_from_the_first_training_batch(layer):
    centres, points = clusters()
    quantizer = layer(9, 2, init="kmeans")
    start = quantizer.codebook.detach().clone()
    quantizer.eval()(points)
    assert torch.equal(quantizer.codebook, start)
    assert not quantizer.codebook_initialized
    quantizer.train()(points)
    assert quantizer.codebook_initialized
    assert torch.cdist(centres, quantizer.codebook.detach()).amin(1).max() < 0.2
    assert torch.cdist(quantizer.codebook.detach(), points).amin(1).max() < 0.2
    after = quantizer.codebook.detach().clone()
    quantizer(points + 100)
    assert torch.equal(quantizer.codebook, after)
    assert quantizer.codebook.requires_grad


def test_kmeans_lowers_the_error_of_its_start():
    points = torch.randn(500, 4)
    start = torch.randn(16, 4)
    errors = [float(torch.cdist(points, kmeans(points, start, n)).amin(1).square().mean()) for n in (0, 1, 10)]
    assert errors[0] > errors[1] > errors[2]


def test_kmeans_is_the_same_each_time():
    points, start = torch.randn(500, 4), torch.randn(16, 4)
    assert torch.equal(kmeans(points, start), kmeans(points, start))


def test_kmeans_with_fewer_latents_than_codewords_uses_their_scale():
    points = 100 + 5 * torch.randn(10, 3, dtype=torch.float64)
    centres = kmeans(points, torch.randn(40, 3, dtype=torch.float64))
    assert centres.shape == (40, 3) and centres.isfinite().all()
    assert float(torch.cdist(points, centres).amin(1).max()) < 1e-3
    assert float((centres - 100).abs().max()) < 50


def test_kmeans_leaves_out_what_is_not_finite():
    points = torch.randn(100, 3)
    points[4, 1] = torch.nan
    assert kmeans(points, torch.randn(8, 3)).isfinite().all()
    start = torch.randn(8, 3)
    assert torch.equal(kmeans(torch.full((5, 3), torch.nan), start), start)


def test_perplexity_of_known_distributions():
    assert float(perplexity(torch.tensor([5, 0, 0]))) == pytest.approx(1)
    assert float(perplexity(torch.ones(7))) == pytest.approx(7)
    assert float(perplexity(torch.tensor([0.5, 0.5, -1e-3]))) == pytest.approx(2)
    assert float(perplexity(torch.zeros(4))) == 1


def test_usage_counts_over_batches_not_their_mean():
    """Each batch uses one codeword, all batches use four: the mean of the batches' perplexities would be 1."""
    usage = Usage(6)
    for k in range(4):
        usage.update(torch.full((10,), k), None)
    assert usage.compute() == pytest.approx(
        {"hard_perplexity": 4.0, "soft_perplexity": 4.0, "active_codes": 4.0, "support_size": 1.0, "tightness": 0.0}
    )


def test_hard_and_soft_usage_are_told_apart():
    usage = Usage(4)
    usage.update(torch.zeros(8, dtype=torch.long), torch.tensor([[0.4, 0.2, 0.2, 0.2]]).repeat(8, 1))
    numbers = usage.compute()
    assert numbers["hard_perplexity"] == pytest.approx(1)
    assert numbers["soft_perplexity"] == pytest.approx(math.exp(-0.4 * math.log(0.4) - 0.6 * math.log(0.2)))
    assert numbers["support_size"] == 4
    assert numbers["tightness"] == pytest.approx(math.sqrt(0.6**2 + 3 * 0.2**2))
