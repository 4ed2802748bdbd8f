"""The model vqgan: its losses are those of the published code, its parts those of diffusers."""

import pytest
import torch
from diffusers import VQModel
from small_vqgan import config, data, made, pictures
from torch import nn
from torch.nn.functional import relu, softplus

import scq
from scq.data import to_float
from scq.diagnostics import gap_of
from scq.models.average import Average
from scq.models.discriminator import PatchDiscriminator
from scq.perceptual import FeatureDistance
from scq.training import build_model, train


def batch():
    return to_float(pictures(6))


def published(model, x, adaptive, largest, weight, term):
    """The loss of taming's vqperceptual.py, written as there: the weight by two more backward passes."""
    quantized = model.quantizer(model.encode(x))
    y = 2 * model.decode(quantized.quantized)
    nll = (2 * x - y).abs().mean()
    logits = model.discriminator(y)
    g = -logits.mean() if term == "hinge" else softplus(-logits).mean()
    if adaptive:
        nll_grads = torch.autograd.grad(nll, model.last.weight, retain_graph=True)[0]
        g_grads = torch.autograd.grad(g, model.last.weight, retain_graph=True)[0]
        weight = weight * (nll_grads.norm() / (g_grads.norm() + 1e-4)).clamp(0, largest).detach()
    return nll + weight * g + quantized.loss, weight


@pytest.mark.parametrize(
    ("adaptive", "largest", "term"),
    [(True, 1e4, "hinge"), (True, 0.01, "hinge"), (False, 1e4, "non_saturating")],
    ids=["adaptive", "clamped", "fixed"],
)
def test_the_loss_and_its_gradients_are_those_of_the_published_code(adaptive, largest, term):
    options = {"disc_adaptive": adaptive, "disc_weight_max": largest, "generator_term": term, "disc_weight": 0.8}
    model, x = made(**options).double(), batch().double()
    own = model.objective(x, "loss")
    own.loss.backward()
    assert all(parameter.grad is None for parameter in model.discriminator.parameters())
    found = {name: parameter.grad for name, parameter in model._generator().items()}
    model.zero_grad()
    expected, weight = published(model, x, adaptive, largest, 0.8, term)
    expected.backward()
    torch.testing.assert_close(own.loss, expected)
    torch.testing.assert_close(own.numbers["disc_weight"], torch.as_tensor(weight, dtype=torch.float64))
    assert own.numbers["disc_weight"] <= 0.8 * largest
    for name, parameter in model._generator().items():
        torch.testing.assert_close(found[name], parameter.grad, msg=name)


def test_the_discriminator_learns_by_the_hinge_loss_from_the_same_reconstruction():
    model, x = made(), batch()
    kept = model.objective(x, "loss").made
    model.zero_grad()
    own = model.objective(x, "disc_loss", kept)
    real, fake = model.discriminator(2 * x), model.discriminator(2 * kept)
    torch.testing.assert_close(own.loss, 0.5 * (relu(1 - real).mean() + relu(1 + fake).mean()))
    assert own.numbers.keys() == {"logits_real", "logits_fake"}
    own.loss.backward()
    assert all(parameter.grad is None for parameter in model._generator().values())
    assert all(parameter.grad is not None for parameter in model.discriminator.parameters())


def test_without_a_reconstruction_it_makes_one_and_leaves_the_quantizer_as_it_was():
    model, x = made("vq_ema").train(), batch()
    before = {name: buffer.clone() for name, buffer in model.quantizer.named_buffers()}
    model.objective(x, "disc_loss")
    assert model.quantizer.training
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.quantizer.named_buffers())


def test_the_discriminator_starts_when_it_is_told():
    model, x = made(disc_start_share=0.5, disc_warmup_share=0.2), batch()
    learns, counts = [], []
    for step in range(1, 11):
        model.before_step(step, 10)
        learns.append("logits_real" in model.objective(x, "disc_loss").numbers)
        counts.append("disc_weight" in model.objective(x, "loss").numbers)
    assert counts == [False] * 5 + [True] * 5 and learns == [False] * 3 + [True] * 7
    model.before_step(1, 10)
    model.zero_grad()
    model.objective(x, "disc_loss").loss.backward()
    assert all((parameter.grad == 0).all() for parameter in model.discriminator.parameters())


def test_the_perceptual_term_is_the_distance_of_pictures_in_minus_one_to_one():
    model, x = made(perceptual="features", perceptual_weight=0.3, disc_weight=0.0), batch()
    assert model.discriminator is None and model.optimizers(1e-3).keys() == {"loss"}
    quantized = model.quantizer(model.encode(x)).quantized.detach().requires_grad_()
    loss, numbers = model.loss(quantized, x)
    (own,) = torch.autograd.grad(loss, quantized)
    y = model.decode(quantized)
    distance = FeatureDistance()(2 * y, 2 * x).mean()
    expected = (2 * x - 2 * y).abs().mean() + 0.3 * distance
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(numbers["feature_distance"], distance)
    torch.testing.assert_close(own, torch.autograd.grad(expected, quantized)[0])
    assert not any("perceptual" in name for name in model.state_dict())


@pytest.mark.parametrize("attention", [True, False])
def test_encoder_and_decoder_are_those_of_diffusers(attention):
    model, x = made("vq", attention=attention), batch()
    kind = "Attn" if attention else ""
    theirs = VQModel(
        down_block_types=("DownEncoderBlock2D", f"{kind}DownEncoderBlock2D"),
        up_block_types=(f"{kind}UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(4, 8),
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=attention,
    )
    own = {
        name: value for name, value in model.state_dict().items() if name.startswith(("enc", "quant_", "post", "dec"))
    }
    own |= {f"decoder.conv_out.{name}": value for name, value in model.last.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(own, strict=False)
    assert missing == ["quantize.embedding.weight"] and not unexpected
    latents = theirs.encode(2 * x).latents
    torch.testing.assert_close(model.encode(x), latents)
    torch.testing.assert_close(model.decode(latents), theirs.decode(latents, force_not_quantize=True).sample / 2)


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch_as_wide_as_that_of_pix2pix(layers, pixels):
    discriminator = PatchDiscriminator(layers, 2)
    for number, part in enumerate(discriminator.main):
        if isinstance(part, nn.BatchNorm2d):  # it sees all
            discriminator.main[number] = nn.Identity()
    x = torch.randn(1, 3, 160, 160, requires_grad=True)
    logits = discriminator(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = x.grad[0].abs().sum(0) > 0
    assert seen.any(0).sum() == seen.any(1).sum() == pixels


def test_in_bf16_the_weight_and_the_losses_are_computed_in_float32():
    model, x = made("vq"), batch()
    exact = model.objective(x, "loss")
    with torch.autocast("cpu", torch.bfloat16):
        half = model.objective(x, "loss")
        of_discriminator = model.objective(x, "disc_loss", half.made)
    assert half.latents.dtype == torch.bfloat16
    assert {half.made.dtype, half.loss.dtype, of_discriminator.loss.dtype} == {torch.float32}
    assert half.numbers["disc_weight"].dtype == torch.float32
    torch.testing.assert_close(half.numbers["disc_weight"], exact.numbers["disc_weight"], rtol=0.05, atol=0)


def test_the_average_forgets_the_start_and_gives_the_weights_back():
    weight = nn.Parameter(torch.zeros(2))
    average, expected = Average({"a.weight": weight}, 0.5), 0.0
    for step in range(1, 30):
        weight.data = torch.full((2,), float(step))
        average.update({"a.weight": weight}, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.applied({"a.weight": weight}):
        torch.testing.assert_close(weight.data, torch.full((2,), expected))
    assert weight.tolist() == [29.0, 29.0]


def test_what_cannot_be_is_refused():
    with pytest.raises(
        ValueError, match=r"pictures has shape \(1, 3, 9, 8\), must be \(B, 3, H, W\), H and W multiples of 2"
    ):
        made().encode(torch.zeros(1, 3, 9, 8))
    with pytest.raises(ValueError, match="pictures are 8 x 8, must be at least 12 x 12 for so many layers"):
        made(disc_layers=2).objective(batch(), "loss")
    with pytest.raises(ValueError, match="residual_layers is 0, must be at least 1 for a VQGAN"):
        made(residual_layers=0)
    with pytest.raises(ValueError, match="quantizer has channel_dim=-1, must have 1"):
        scq.models.VQGAN(scq.quantizer("vq", 8, 4), dim=4)


def test_a_run_logs_what_a_gan_is_watched_by_and_is_evaluated_softly_hard_and_averaged(tmp_path):
    settings = config(tmp_path, disc_start_share=0.4, dump_every=10)
    result = train(settings, progress=False, data=data())
    first, *_, last = result.history
    assert {
        "train/l1",
        "train/mse",
        "train/loss",
        "train/disc_loss",
        "kkt/relative",
        "gap/decoded_l1_exact",
    } <= first.keys()
    assert {"train/disc_weight", "train/generator_loss", "train/logits_real", "train/logits_fake"} <= last.keys()
    assert "train/disc_weight" not in first and "gap/decoded_generator_loss_difference" in last
    assert last["kkt/relative"] < 1e-4 and last["gap/weights_l2"] > 0
    assert (result.folder / "problems" / "step-000010.safetensors").is_file()
    for kind in ("", "hard_", "ema_", "ema_hard_"):
        assert {f"{kind}{name}" for name in ("mse", "psnr", "ssim")} <= result.test.keys()
    assert result.test["ema_mse"] != result.test["mse"] < result.test["hard_mse"]
    # Averages lag behind by a few steps.
    assert all(value.requires_grad is False for value in result.model.average.parameters())


def test_the_gap_is_that_of_the_generators_loss(tmp_path):
    settings = config(tmp_path, disc_weight=1.0)
    model, x = build_model(settings), batch()
    model.start(x)
    model.train()
    output = model.objective(x, "loss")
    (codebook,) = torch.autograd.grad(output.loss, model.quantizer.codebook)
    gap = gap_of(model, x, settings, output=output)
    assert gap["decoded_l1_exact"] == pytest.approx(float(output.numbers["l1"]), rel=1e-4)
    assert gap["decoded_disc_weight_exact"] == pytest.approx(float(output.numbers["disc_weight"]), rel=1e-3)
    # Nothing is left behind, and a second time it is the same.
    assert all(parameter.grad is None for parameter in model.parameters())
    again = gap_of(model, x, settings, output=output)
    assert {**gap, "seconds": 0} == {**again, "seconds": 0} and codebook.abs().sum() > 0
