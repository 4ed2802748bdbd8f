"""Residual and grouped codes of every quantizer: one output, certified stage by stage, with the right gradients."""

import copy

import pytest
import torch
from torch.func import functional_call

import scq
from scq import Grouped, NoQuantizer, Residual, SoftConvexQuantizer
from scq.quantizers import entries, perplexity
from scq.quantizers.stacked import places

K, S, G = 12, 3, 2
NAMES = [entry.name for entry in entries() if entry.parts]


def both(name, dropout=0.0, **options):
    """Two groups with three stages each, for 8 channels."""
    return Grouped(lambda _: Residual(lambda _: scq.quantizer(name, K, 4, **options), S, dropout), G)


@pytest.mark.parametrize("name", NAMES)
def test_every_quantizer_has_one_output_of_all_of_them(name):
    layer = both(name, channel_dim=1, **{} if name == "fsq" else {"init": "uniform"} if "simvq" not in name else {})
    x = torch.randn(3, 8, 2, 5, requires_grad=True)
    output = layer(x)
    (output.quantized.square().mean() + output.loss).backward()
    assert x.grad.abs().sum(1).all()
    assert all(parameter.grad is not None for parameter in layer.parameters())
    output = layer.eval()(x)
    size = layer.codebook_size
    assert output.quantized.shape == x.shape and output.indices.shape == (3, 2, 5, S, G)
    assert output.loss.dim() == 0 and all(value.shape == (S, G) for value in output.info.values())
    hard = layer.decode(output.indices)
    if output.weights is None:
        torch.testing.assert_close(hard, output.quantized)
    else:
        assert output.weights.shape == (3, 2, 5, S, G, size)
        assert torch.equal(output.weights.argmax(-1), output.indices)
        torch.testing.assert_close(layer.combine(output.weights), output.quantized, atol=1e-5, rtol=1e-5)
    for index, start, own in places(layer):
        assert own.codebook.shape == (size, 4) and start == 4 * index[1]
        used = output.indices[(..., *index)].flatten().bincount(minlength=size)
        assert float(output.info["hard_perplexity"][index]) == pytest.approx(float(perplexity(used)))
        assert output.info["active_codes"][index] == (used > 0).sum()


@pytest.mark.parametrize("name", ["vq", "scq"])
def test_one_stage_or_one_group_is_the_quantizer(name):
    layer = scq.quantizer(name, K, 8)
    x = torch.randn(20, 8)
    alone = layer(x)
    for stacked in (Residual(layer, 1), Grouped(layer, 1), Grouped(lambda _: Residual(layer, 1), 1)):
        output = stacked(x)
        assert torch.equal(output.quantized, alone.quantized) and torch.equal(output.loss, alone.loss)
        assert torch.equal(output.indices.flatten(1)[:, 0], alone.indices)


def test_each_stage_takes_what_the_ones_before_left():
    layer = Residual(lambda stage: SoftConvexQuantizer(K, 4, lam=0.1 / (1 + stage)), S)
    x = torch.randn(50, 4)
    output, left, errors = layer(x), x, []
    for stage, own in enumerate(layer.parts()):
        alone = own(left)
        assert torch.equal(output.indices[:, stage], alone.indices)
        torch.testing.assert_close(output.weights[:, stage], alone.weights)
        assert output.info["lam"][stage] == alone.info["lam"]
        left = left - alone.quantized
        errors.append(alone.loss)
        torch.testing.assert_close(
            layer.decode(output.indices[:, : stage + 1]),
            sum(part.codebook[output.indices[:, s]] for s, part in enumerate(layer.parts()[: stage + 1])),
        )
    torch.testing.assert_close(output.quantized, x - left)
    torch.testing.assert_close(output.loss, sum(errors))


def test_exact_solves_are_certified_in_every_stage_and_group():
    layer = both("scq")
    layer.diagnose = True
    info = layer(torch.randn(64, 8)).info
    assert layer.diagnose and info["kkt_relative"].shape == (S, G)
    assert (info["kkt_relative"] < 1e-5).all() and (info["converged_share"] == 1).all()
    layer.diagnose = False
    assert "kkt_relative" not in layer(torch.randn(64, 8)).info


@pytest.mark.parametrize("name", ["scq", "smoothed_perplexity"])
def test_soft_stages_have_the_derivative_of_what_they_compute(name):
    """Against finite differences: through the residuals, and of every codebook."""
    layer = Residual(lambda _: scq.quantizer(name, 6, 2), 2).double()
    names = [f"layers.{stage}.embedding.codewords" for stage in range(2)]

    def function(x, *codebooks):
        output = functional_call(layer, dict(zip(names, codebooks, strict=True)), (x,))
        return output.quantized, output.loss

    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    codebooks = [own.codebook.detach().clone().requires_grad_() for own in layer.parts()]
    assert torch.autograd.gradcheck(function, (x, *codebooks), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("name", ["vq", "vq_ema", "fsq", "scq", "scq_annealed", "smoothed_knn_l2"])
def test_padding_counts_nowhere(name):
    padded, alone = (both(name, dropout=0.5) for _ in range(2))
    alone.load_state_dict(padded.state_dict())
    x, mask = torch.randn(4, 6, 8), torch.rand(4, 6) < 0.6
    x[~mask] = torch.nan
    x.requires_grad_()
    torch.manual_seed(1)
    output = padded(x, mask)
    (output.quantized.square().sum() + output.loss).backward()
    assert not x.grad[~mask].any() and x.grad[mask].abs().sum(1).all()
    assert not output.quantized[~mask].any() and not output.indices[~mask].any()
    assert output.weights is None or not output.weights[~mask].any()
    # As if other padding had stood there.
    torch.manual_seed(1)
    other = alone(x.detach().nan_to_num(7.0), mask)
    assert torch.equal(output.loss, other.loss) and torch.equal(output.indices, other.indices)
    for first, second in zip(padded.buffers(), alone.buffers(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("name", ["vq", "scq", "rotation"])
def test_a_dropped_stage_is_as_if_it_were_not_there(name):
    layer = Residual(lambda _: scq.quantizer(name, K, 4), S, dropout=0.7)
    x = torch.randn(400, 3, 4, requires_grad=True)
    output = layer(x)
    kept = (output.indices >= 0).sum(-1)
    assert torch.equal(kept, kept[:, :1].expand(-1, 3)), "one draw an example"
    shares = torch.stack([(kept[:, 0] == n).double().mean() for n in range(1, S + 1)])
    expected = torch.tensor([0.7 / 3, 0.7 / 3, 0.3 + 0.7 / 3], dtype=torch.float64)
    torch.testing.assert_close(shares, expected, atol=0.08, rtol=0)
    upstream = torch.randn_like(x)
    (gradient,) = torch.autograd.grad((output.quantized * upstream).sum(), x)
    losses = torch.zeros(S)
    for n in range(1, S + 1):
        mine = kept[:, 0] == n
        part = x.detach()[mine].requires_grad_()
        shorter = Residual(lambda stage: layer.layers[stage], n)
        alone = shorter(part)
        torch.testing.assert_close(output.quantized[mine], alone.quantized)
        assert torch.equal(output.indices[mine][..., :n], alone.indices) and (output.indices[mine][..., n:] == -1).all()
        (other,) = torch.autograd.grad((alone.quantized * upstream[mine]).sum(), part)
        torch.testing.assert_close(gradient[mine], other)
        left = part
        for stage in range(n):
            own = layer.layers[stage](left)
            losses[stage] += own.loss.detach() * mine.sum()
            left = left - own.quantized.detach()
    counts = torch.stack([(kept[:, 0] > stage).sum() for stage in range(S)])
    torch.testing.assert_close(output.loss.detach(), (losses / counts).sum())
    assert (layer.eval()(x).indices >= 0).all()


def test_averages_follow_the_examples_that_reach_their_stage():
    layer = Residual(lambda _: scq.quantizer("vq_ema", K, 4, decay=0.0, revive_below=0.0), 2, dropout=1.0)
    layer(torch.randn(100, 4))
    sizes = [float(own.embedding.cluster_size.sum()) for own in layer.parts()]
    assert sizes[0] == pytest.approx(100) and 30 < sizes[1] < 70


def test_frozen_it_stays_as_it_is_and_the_latents_learn():
    for name in ("scq_annealed", "vq_ema"):
        layer = both(name)
        layer.freeze()
        before = copy.deepcopy(layer.state_dict())
        x = torch.randn(9, 8, requires_grad=True)
        layer(x).loss.backward()
        assert x.grad.any() and all(parameter.grad is None for parameter in layer.parameters())
        assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())
        layer.freeze(False)
        layer(x)
        assert not all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())


def test_a_state_is_loaded_and_a_shared_codebook_is_there_once():
    layer, other = both("vq_ema"), both("vq_ema")
    layer(torch.randn(9, 8))
    other.load_state_dict(layer.state_dict())
    x = torch.randn(9, 8)
    assert torch.equal(layer.eval()(x).quantized, other.eval()(x).quantized)
    shared = Residual(scq.quantizer("scq", K, 4), S)
    assert list(shared.state_dict()) == ["layers.0.embedding.codewords", "layers.0.embedding.initialized"]
    assert [own.layer for own in places(shared)] == [shared.layers[0]] * S


def test_half_precision_keeps_the_residuals_in_float32():
    layer = Residual(lambda _: scq.quantizer("vq", K, 4), S)
    x = torch.randn(50, 4)
    halves = layer(x.bfloat16())
    exact = layer(x.bfloat16().float())
    assert torch.equal(halves.indices, exact.indices) and halves.loss.dtype == torch.float32
    assert torch.equal(halves.quantized, exact.quantized.bfloat16())
    assert both("scq")(torch.randn(5, 8).bfloat16()).weights.dtype == torch.bfloat16


def test_no_parameter_is_unused_whatever_is_dropped(tmp_path):
    """DistributedDataParallel refuses a second step otherwise."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        for make in (lambda: Residual(lambda _: scq.quantizer("scq", K, 4), S, 1.0), lambda: both("vq", 1.0)):
            layer = make()
            wrapped = torch.nn.parallel.DistributedDataParallel(layer)
            for _ in range(3):
                output = wrapped(torch.randn(1, layer.dim, requires_grad=True))
                (output[0].sum() + output[2]).backward()
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Residual(lambda _: scq.quantizer("vq", K, 4), 0), ValueError, "stages is 0, must be at least 1"),
        (lambda: Grouped(lambda _: scq.quantizer("vq", K, 4), 1.5), TypeError, "groups is 1.5, must be an integer"),
        (lambda: Residual("vq", 2), TypeError, "make is 'vq', must be a quantizer, or a function"),
        (lambda: Residual(lambda _: NoQuantizer(), 2), TypeError, r"make\(0\) is a NoQuantizer, must be a quantizer"),
        (lambda: Grouped(torch.nn.Linear(2, 2), 2), TypeError, "make is a Linear, must be a quantizer"),
        (
            lambda: Residual(lambda stage: scq.quantizer("vq", K + stage, 4), 2),
            ValueError,
            r"make\(1\) has codebook_size=13, must have 12",
        ),
        (
            lambda: Residual(lambda stage: scq.quantizer("vq", K, 4 + stage), 2),
            ValueError,
            r"make gives quantizers with dim \[4, 5\]",
        ),
        (lambda: Residual(scq.quantizer("vq_ema", K, 4), 2), ValueError, "make is one quantizer for all, whose state"),
        (lambda: Grouped(scq.quantizer("gumbel", K, 4), 2), ValueError, "make is one quantizer for all, whose state"),
        (
            lambda: Residual(dict.fromkeys(range(2), scq.quantizer("vq", K, 4)).__getitem__, 2),
            ValueError,
            "make gives the same quantizer twice",
        ),
        (lambda: Residual(lambda _: scq.quantizer("vq", K, 4), 2, 1.5), ValueError, "dropout is 1.5, must be finite"),
        (lambda: both("vq")(torch.randn(3, 7)), ValueError, r"x has shape \(3, 7\), must have 8 channels"),
        (lambda: both("vq")(torch.randn(3, 8), torch.ones(3)), TypeError, "mask is torch.float32, must be torch.bool"),
        (lambda: both("vq").decode(torch.zeros(3, 3, 3, dtype=int)), ValueError, r"must be \(..., 2\)"),
        (lambda: both("vq").decode(torch.zeros(3, 4, 2, dtype=int)), ValueError, "with the first n stages of 3"),
        (lambda: both("vq").decode(torch.zeros(3, 2)), TypeError, "indices is torch.float32"),
        (lambda: both("scq").combine(torch.zeros(5, 12)), ValueError, r"must be \(..., 2, 12\)"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()
