"""The terms of the loss, against closed forms and loops."""

import math
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from scq.quantizers.regularizers import (
    KNNCE,
    KNNL2,
    CodebookTerm,
    Commitment,
    Entropy,
    MeanPerplexity,
    QuantizationError,
    Quantized,
    knn,
)

N, V = 400, 6
MEMORY = Path(__file__).parents[1] / "helpers" / "knn_memory.py"


def dirichlet(concentration: float, samples: int = N, vertices: int = V) -> torch.Tensor:
    return torch.distributions.Dirichlet(torch.full((vertices,), concentration, dtype=torch.float64)).sample((samples,))


def of(weights: torch.Tensor, valid: torch.Tensor | None = None) -> Quantized:
    # The floor keeps 0 log 0 out of the logarithms, as a softmax does.
    nothing = weights.new_zeros(len(weights), 2)
    return Quantized(nothing, nothing, weights, weights.clamp_min(1e-30).log(), valid)


@pytest.mark.parametrize("latents", [50, 700])
@pytest.mark.parametrize("neighbours", [1, 3, 8])
def test_knn_terms_match_the_definition_by_a_loop(neighbours, latents):
    """With and without groups of latents, the last of which is not full."""
    weights = dirichlet(0.7, latents)
    rows, squared, entropies = weights.tolist(), [], []
    for v in range(V):
        distances = [sum((p - (k == v)) ** 2 for k, p in enumerate(row)) for row in rows]
        squared += sorted(distances)[:neighbours]
        entropies += sorted(-math.log(row[v]) for row in rows)[:neighbours]
    assert float(KNNL2(1.0, neighbours)(of(weights))) == pytest.approx(sum(squared) / len(squared))
    assert float(KNNCE(1.0, neighbours)(of(weights))) == pytest.approx(sum(entropies) / len(entropies))


def test_knn_terms_at_the_vertices_and_in_the_centre():
    vertices, centre = torch.eye(V).repeat(8, 1), torch.full((50, V), 1 / V)
    assert float(KNNL2()(of(vertices))) == 0 == float(KNNCE()(of(vertices)))
    assert float(KNNL2()(of(centre))) == pytest.approx(1 - 1 / V)
    assert float(KNNCE()(of(centre))) == pytest.approx(math.log(V))


@pytest.mark.parametrize("concentration", [0.5, 1.0, 4.0])
def test_knn_terms_over_all_latents_have_the_moments_of_the_dirichlet(concentration):
    """With every latent a neighbour, E||e - p||^2 = (a + 1)/(V a + 1) + 1 - 2/V and E[-log p] = psi(V a) - psi(a)."""
    samples = 100_000
    weights = dirichlet(concentration, samples)
    squared = (concentration + 1) / (V * concentration + 1) + 1 - 2 / V
    entropy = float(torch.digamma(torch.tensor(V * concentration)) - torch.digamma(torch.tensor(concentration)))
    assert float(KNNL2(1.0, samples)(of(weights))) == pytest.approx(squared, rel=0.01)
    assert float(KNNCE(1.0, samples)(of(weights))) == pytest.approx(entropy, rel=0.01)


def test_knn_terms_order_what_the_perplexity_cannot_tell_apart():
    """Figure 1 of arXiv 2509.22161: weights at the vertices, uniform on the simplex, and in its centre, all of the same
    mean."""
    families = [dirichlet(concentration, 5000) for concentration in (0.05, 1.0, 30.0)]
    for term in (KNNL2(), KNNCE()):
        losses = [float(term(of(weights))) for weights in families]
        assert losses[0] < 0.1 * losses[1] < losses[1] < 0.5 * losses[2]
    assert max(float(MeanPerplexity()(of(weights))) for weights in families) < 1e-3
    sharpness = [float(Entropy()(of(weights))) for weights in families]
    assert sharpness == sorted(sharpness)


def test_entropies_of_known_weights():
    half = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    split = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    assert float(Entropy()(of(half))) == pytest.approx(math.log(2)) and float(Entropy()(of(split))) == 0
    assert float(MeanPerplexity()(of(half))) == pytest.approx(0.5) == float(MeanPerplexity()(of(split)))


def test_weights_of_zero_have_no_infinite_gradient():
    weights = torch.tensor([[0.5, 0.5, 0.0], [1.0, 1e-3, -1e-3]], requires_grad=True)
    (Entropy()(of(weights)) + MeanPerplexity()(of(weights)) + KNNL2()(of(weights))).backward()
    assert weights.grad is not None and weights.grad.isfinite().all()


@pytest.mark.parametrize("blocks", [2**24, 40])
@pytest.mark.parametrize("term", [KNNL2(1.0, 3), KNNCE(1.0, 3), Entropy(), MeanPerplexity()], ids=lambda t: t.name)
def test_terms_of_the_weights_agree_with_finite_differences(term, blocks, monkeypatch):
    monkeypatch.setattr(knn, "_ENTRIES_AT_ONCE", blocks)
    weights = dirichlet(1.0, 10).requires_grad_()
    valid = torch.arange(10) != 4
    assert torch.autograd.gradcheck(lambda p: term(of(p)), (weights,))
    assert torch.autograd.gradcheck(lambda p: term(of(p, valid)), (weights,))


@pytest.mark.parametrize("term", [KNNL2(), KNNCE()], ids=lambda term: term.name)
def test_blocks_of_vertices_give_the_same(term, monkeypatch):
    weights = dirichlet(0.7)
    whole = term(of(weights))
    monkeypatch.setattr(knn, "_ENTRIES_AT_ONCE", 4 * N)
    assert torch.equal(term(of(weights)), whole)


@pytest.mark.parametrize("valid", [400, 20, 5, 0])
@pytest.mark.parametrize("term", [KNNL2(), KNNCE(), Entropy()], ids=lambda term: term.name)
def test_masked_latents_are_no_neighbours(term, valid):
    """Fewer than k latents that count, too."""
    weights, mask = dirichlet(0.7), torch.arange(N) < valid
    expected = term(of(weights[mask]))
    torch.testing.assert_close(term(of(weights, mask)), expected)
    assert expected == 0 or valid


@pytest.mark.parametrize("term", [Commitment(), CodebookTerm(), QuantizationError()], ids=lambda term: term.name)
def test_errors_send_gradients_to_the_side_that_their_name_says(term):
    z, c = torch.randn(9, 3, requires_grad=True), torch.randn(9, 3, requires_grad=True)
    valid = torch.arange(9) < 7
    loss = term(Quantized(z, c, valid=valid))
    torch.testing.assert_close(loss, (z - c)[valid].square().mean())
    loss.backward()
    sides = {"commitment": (True, False), "codebook": (False, True), "quantization_error": (True, True)}
    assert (z.grad is not None, c.grad is not None) == sides[term.name]
    for side in (z.grad, c.grad):
        assert side is None or (side[valid].any() and not side[~valid].any())


@pytest.mark.slow
@pytest.mark.skipif(psutil.virtual_memory().available < 6 * 2**30, reason="needs 6 GB of free memory")
@pytest.mark.parametrize("term", ["KNNL2", "KNNCE"])
def test_knn_terms_fit_where_an_array_of_all_distances_would_not(term):
    """65,536 latents and 8,192 vertices: the weights are 2 GiB, and so is their gradient; beside them at most 1 GB."""
    result = subprocess.run([sys.executable, MEMORY, term], capture_output=True, text=True, check=True, timeout=100)
    forward, backward = map(int, result.stdout.split())
    assert forward < 10**9 and backward < 10**9
