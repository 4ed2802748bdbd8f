"""Assignments, gradients, and which parts go together."""

import pytest
import torch

from scq.quantizers import ComposedQuantizer, SoftConvexQuantizer
from scq.quantizers.assignments import Assigned, Gumbel, Nearest, Rounding, Softmax
from scq.quantizers.codebooks import EMA, Diagonal, Direct, FixedGrid, Linear, LinearJoint
from scq.quantizers.gradients import Rotation, Soft, StraightThrough
from scq.quantizers.regularizers import (
    KNNCE,
    KNNL2,
    CodebookTerm,
    Commitment,
    Entropy,
    MeanPerplexity,
    QuantizationError,
)

K, F = 12, 4


def doubles(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_softmax_is_that_of_the_squared_distances():
    z, codebook = torch.randn(9, F), torch.randn(K, F)
    assigned = Softmax(0.7)(z, codebook)
    weights = (-torch.cdist(z, codebook).square() / 0.7).softmax(1)
    torch.testing.assert_close(assigned.weights.dense(), weights)
    torch.testing.assert_close(assigned.log_weights, weights.log(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(assigned.source, weights @ codebook)
    assert torch.equal(assigned.indices, torch.cdist(z, codebook).argmin(1))


def test_gumbel_draws_codewords_with_the_probabilities_of_the_softmax():
    """The argmax of logits and Gumbel noise is a sample of their softmax, whatever the temperature."""
    codebook = torch.tensor([[0.0], [1.0], [2.0]])
    z = torch.full((20000, 1), 0.8)
    probabilities = (-(z[:1] - codebook.T).square()).softmax(1)[0]
    drawn = torch.bincount(Gumbel()(z, codebook).indices, minlength=3) / len(z)
    torch.testing.assert_close(drawn, probabilities, atol=0.02, rtol=0)


def test_gumbel_is_annealed_by_its_own_training_steps():
    gumbel = Gumbel(temperature=2.0, temperature_end=0.5, anneal_steps=4)
    layer = ComposedQuantizer(K, F, Direct(), gumbel, Soft(), [QuantizationError()])
    temperatures = []
    for step in range(7):
        temperatures.append(float(gumbel.temperature))
        layer.train(step != 3)(torch.randn(5, F))
    assert temperatures == pytest.approx([2.0, 2**0.5, 1.0, 2**-0.5, 2**-0.5, 0.5, 0.5])


def test_gumbel_is_hard_at_test():
    layer = ComposedQuantizer(K, F, Direct(), Gumbel(), Soft(), [QuantizationError()]).eval()
    output = layer(torch.randn(9, F))
    assert output.weights is None
    assert torch.equal(output.quantized, layer.decode(output.indices))


def test_rotation_matches_the_matrix_of_the_paper():
    z, c, upstream = doubles(7, F), torch.randn(7, F, dtype=torch.float64), torch.randn(7, F, dtype=torch.float64)
    quantized = Rotation()(Assigned(torch.zeros(7, dtype=torch.long), c, z))
    torch.testing.assert_close(quantized, c, rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(quantized, z, upstream)
    for n in range(7):
        e, q = z[n].detach(), c[n]
        e_hat, q_hat = e / e.norm(), q / q.norm()
        r = (e_hat + q_hat) / (e_hat + q_hat).norm()
        R = torch.eye(F, dtype=torch.float64) - 2 * torch.outer(r, r) + 2 * torch.outer(q_hat, e_hat)
        torch.testing.assert_close(R @ e_hat, q_hat)
        torch.testing.assert_close(R @ R.T, torch.eye(F, dtype=torch.float64))
        torch.testing.assert_close(gradient[n], q.norm() / e.norm() * R.T @ upstream[n])


def test_rotation_keeps_the_angle_between_gradient_and_code():
    z, c, upstream = doubles(7, F), torch.randn(7, F, dtype=torch.float64), torch.randn(7, F, dtype=torch.float64)
    quantized = Rotation()(Assigned(torch.zeros(7, dtype=torch.long), c, z))
    (gradient,) = torch.autograd.grad(quantized, z, upstream)
    at_code = torch.nn.functional.cosine_similarity(upstream, c)
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(gradient, z.detach()), at_code)


@pytest.mark.parametrize(("z", "c"), [([0.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 0.0]), ([1.0, 0.0], [-1.0, 0.0])])
def test_rotation_stays_finite_where_it_is_undefined(z, c):
    latent = torch.tensor([z], requires_grad=True)
    quantized = Rotation()(Assigned(torch.zeros(1, dtype=torch.long), torch.tensor([c]), latent))
    quantized.sum().backward()
    assert torch.equal(quantized, torch.tensor([c])) and latent.grad is not None and latent.grad.isfinite().all()


@pytest.mark.parametrize("gradient", [Soft(), StraightThrough()])
def test_gradient_of_a_soft_code_is_that_of_its_mixture(gradient):
    layer = ComposedQuantizer(K, F, Direct(), Softmax(), gradient)
    x, upstream = torch.randn(9, F, requires_grad=True), torch.randn(9, F)
    output = layer(x)
    found = torch.autograd.grad(output.quantized, (x, layer.codebook), upstream)
    mixture = (-torch.cdist(x, layer.codebook).square()).softmax(1) @ layer.codebook
    for a, b in zip(found, torch.autograd.grad(mixture, (x, layer.codebook), upstream), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    expected = mixture if gradient.soft else layer.codebook[output.indices]
    torch.testing.assert_close(output.quantized, expected)


@pytest.mark.parametrize(
    ("assignment", "gradient", "terms"),
    [
        (Softmax(), Soft(), [QuantizationError(), Entropy(0.3), MeanPerplexity(0.5)]),
        (Softmax(2.0), Soft(), [KNNL2(1.0, 3), KNNCE(1.0, 3)]),
        (Softmax(), Soft(), [CodebookTerm(), Commitment(2.0)]),
    ],
    ids=str,
)
@pytest.mark.parametrize("codebook", [Direct, Linear, LinearJoint, Diagonal], ids=lambda kind: kind.name)
def test_what_is_differentiable_agrees_with_finite_differences(codebook, assignment, gradient, terms):
    layer = ComposedQuantizer(K, F, codebook(), assignment, gradient, terms).double()
    parameters = dict(layer.named_parameters())
    # Stop-gradients are not what differences see: without them, both halves are the error.
    differentiable = not any(isinstance(term, CodebookTerm) for term in terms)

    def of(x, *values):
        output = torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), (x,))
        return (output.quantized, output.loss) if differentiable else output.quantized

    values = [parameter.detach().clone().requires_grad_() for parameter in parameters.values()]
    assert torch.autograd.gradcheck(of, (doubles(6, F), *values))


def test_gumbel_agrees_with_finite_differences_for_given_noise():
    gumbel = Gumbel(temperature=0.8, temperature_end=0.8)

    def of(z, codebook):
        torch.manual_seed(0)
        return gumbel(z, codebook).source

    assert torch.autograd.gradcheck(of, (doubles(6, F), doubles(K, F)))


@pytest.mark.parametrize("codebook", [Linear(), Diagonal()], ids=lambda kind: kind.name)
def test_soft_convex_quantization_of_products_agrees_with_finite_differences(codebook):
    terms = [KNNL2(0.5, 3), Entropy(0.2), MeanPerplexity(0.3)]
    layer = SoftConvexQuantizer(K, F, codebook=codebook, regularizers=terms).double()
    parameters = dict(layer.named_parameters())

    def of(x, *values):
        output = torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), (x,))
        return output.quantized, output.loss

    values = [parameter.detach().clone().requires_grad_() for parameter in parameters.values()]
    assert torch.autograd.gradcheck(of, (doubles(6, F), *values), atol=1e-4)


def test_rounding_is_differentiable_before_it_rounds():
    rounding = Rounding((8, 5, 4, 3))
    assert torch.autograd.gradcheck(lambda z: rounding(z, torch.zeros(1, 1)).source, (doubles(6, 4),))


NEW = {
    "exact SCQ on a linear codebook": lambda: SoftConvexQuantizer(K, F, codebook=Linear()),
    "exact SCQ with the KNN term": lambda: SoftConvexQuantizer(K, F, regularizers=[KNNL2(0.1)]),
    "relaxed SCQ, diagonal, entropy": lambda: SoftConvexQuantizer(
        K, F, backend="relaxed", codebook=Diagonal(), regularizers=[Entropy(0.1), MeanPerplexity()]
    ),
    "the rotation trick on SimVQ": lambda: ComposedQuantizer(
        K, F, Linear(), Nearest(), Rotation(), [CodebookTerm(), Commitment()]
    ),
    "the rotation trick on moving averages": lambda: ComposedQuantizer(
        K, F, EMA(), Nearest(), Rotation(), [Commitment()]
    ),
    "hard Gumbel on SimVQ": lambda: ComposedQuantizer(K, F, Linear(), Gumbel(), StraightThrough(), [KNNCE()]),
}


@pytest.mark.parametrize("name", NEW)
def test_new_combinations_are_one_line_and_train(name):
    layer = NEW[name]()
    x = torch.randn(200, F, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam([p for p in layer.parameters() if p.requires_grad] or [torch.zeros(1)], lr=0.02)
    errors = []
    for _ in range(30):
        output = layer(x)
        loss = (output.quantized - x).square().mean() + output.loss
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
        errors.append(float((output.quantized.detach() - x).square().mean()))
    assert errors[-1] < errors[0]


def test_further_terms_of_scq_leave_failed_latents_out():
    terms = [Entropy(0.3), KNNL2(0.1, 3), Commitment(0.2)]
    layer = SoftConvexQuantizer(K, F, quantization_weight=0.0, regularizers=terms)
    x = torch.randn(20, F)
    x[4, 1] = torch.nan
    x.requires_grad_()
    output = layer(x)
    torch.testing.assert_close(output.loss, layer(x.detach()[torch.arange(20) != 4]).loss)
    assert output.loss > 0
    output.loss.backward()
    assert x.grad is not None and x.grad.isfinite().all() and not x.grad[4].any()


BOTH = [CodebookTerm(), Commitment()]
GRID = (4, 3)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((EMA(), Softmax(), Soft()), "codebook is ema and assignment is softmax, must be nearest: .* averages"),
        (
            (EMA(), Nearest(), StraightThrough(), BOTH),
            r"has CodebookTerm\(1.0\) and codebook is ema: no gradient moves",
        ),
        ((Direct(), Nearest(), Soft(), BOTH), "gradient is soft and assignment is nearest: without weights"),
        ((Direct(), Softmax(), Rotation()), "gradient is rotation and assignment is softmax, must be nearest: the mix"),
        ((FixedGrid(GRID), Rounding(GRID), Rotation()), "gradient is rotation and assignment is rounding.*at 0"),
        ((FixedGrid(GRID), Nearest(), StraightThrough()), "codebook is fixed_grid and assignment is nearest: rounding"),
        ((Direct(), Rounding(GRID), StraightThrough()), "codebook is direct and assignment is rounding: rounding"),
        ((FixedGrid(GRID), Rounding((3, 4)), StraightThrough()), r"assignment has levels \(3, 4\), must have those"),
        ((FixedGrid(GRID), Rounding(GRID), StraightThrough(), BOTH), "codebook is fixed_grid: no gradient moves"),
        ((Direct(), Nearest(), StraightThrough(), [*BOTH, KNNL2()]), "assignment is nearest, must be one with weights"),
        (
            (Linear(), Nearest(), Rotation(), [Commitment()]),
            "linear codebook with nearest .* would receive no gradient",
        ),
    ],
)
def test_combinations_that_make_no_sense_are_refused_with_the_reason(parts, reason):
    with pytest.raises(ValueError, match=reason):
        ComposedQuantizer(K, F, *parts)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"codebook": EMA()}, "codebook is ema and assignment is scq, must be nearest"),
        ({"codebook": FixedGrid(GRID)}, "codebook is fixed_grid and assignment is scq: rounding"),
        ({"regularizers": [KNNCE()]}, "assignment is scq, must be softmax or gumbel: .* logarithm is infinite"),
    ],
)
def test_soft_convex_quantization_refuses_what_makes_no_sense(options, reason):
    with pytest.raises(ValueError, match=reason):
        SoftConvexQuantizer(K, F, **options)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("direct", Nearest(), StraightThrough()), "codebook is 'direct', must be an instance of Codebook"),
        ((Direct(), "nearest", StraightThrough()), "assignment is 'nearest', must be an instance of Assignment"),
        ((Direct(), Nearest(), None), "gradient is None, must be an instance of Gradient"),
        (
            (Direct(), Nearest(), StraightThrough(), ["commitment"]),
            "regularizers has 'commitment', must have instances",
        ),
    ],
)
@pytest.mark.usefixtures("as_a_user")
def test_what_is_no_part_is_refused_by_name(parts, message):
    with pytest.raises(TypeError, match=message):
        ComposedQuantizer(K, F, *parts)


def test_weights_of_terms_may_change_while_training():
    layer = ComposedQuantizer(K, F, Direct(), Nearest(), StraightThrough(), [CodebookTerm(), Commitment(0.25)])
    x = torch.randn(9, F)
    before = float(layer(x).loss.detach())
    layer.regularizers[1].weight = 1.25
    assert float(layer(x).loss.detach()) == pytest.approx(before * 2.25 / 1.25)
