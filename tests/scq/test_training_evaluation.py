"""The test numbers, against direct computations."""

import math

import pytest
import torch
from skimage.metrics import structural_similarity

from scq import data
from scq.quantizers import SoftConvexQuantizer, VectorQuantizer
from scq.training import CommonConfig, TrainConfig, evaluate
from scq.training.model import build_model

SETTINGS = {"codebook_size": 8, "dim": 4, "width": 8, "residual_width": 4, "residual_layers": 1, "init": "normal"}


@pytest.fixture(scope="module")
def images():
    return data.load("photos").test[:30]


def model_of(quantizer):
    return build_model(CommonConfig(**SETTINGS).of(quantizer))


@pytest.mark.parametrize("quantizer", ["scq", "scq_relaxed", "vq", "none"])
def test_errors_are_those_of_the_clipped_reconstruction(quantizer, images):
    model = model_of(quantizer).train()
    with torch.no_grad():
        for parameter in model.decoder[-1].parameters():
            parameter.mul_(20)  # far enough outside of the range of pictures for clipping to matter
    numbers = evaluate(model, images, batch_size=7)
    assert model.training
    with torch.no_grad():
        target = images.float() / 255
        output = model.eval()(target - 0.5)
        assert (output.reconstruction.abs() > 0.5).any()
        reconstruction = (output.reconstruction + 0.5).clamp(0, 1)
    mse = float((reconstruction - target).square().mean())
    assert numbers["mse"] == pytest.approx(mse, rel=1e-4)
    assert numbers["psnr"] == pytest.approx(-10 * math.log10(mse), abs=1e-3)
    ssim = [
        # The whole map: skimage's own mean leaves the borders out.
        structural_similarity(
            a.numpy(),
            b.numpy(),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            use_sample_covariance=False,
            full=True,
        )[1].mean()
        for a, b in zip(target, reconstruction, strict=True)
    ]
    assert numbers["ssim"] == pytest.approx(sum(ssim) / len(ssim), abs=2e-3)
    assert not [name for name in numbers if "second" in name]  # one pass is no measurement of a time


def test_usage_and_hard_decoding_are_counted_over_all_pictures(images):
    model = model_of("scq").eval()
    numbers = evaluate(model, images, batch_size=4)
    with torch.no_grad():
        output = model(data.to_float(images)).quantized
        hard = model.decode(model.quantizer.codebook[output.indices].movedim(-1, 1))
    hard_mse = ((hard + 0.5).clamp(0, 1) - images / 255).square().mean()
    assert numbers["hard_mse"] == pytest.approx(float(hard_mse), rel=1e-4)
    share = torch.bincount(output.indices.flatten(), minlength=8) / output.indices.numel()
    assert numbers["hard_perplexity"] == pytest.approx(float(torch.special.entr(share).sum().exp()), rel=1e-4)
    assert numbers["active_codes"] == float((share > 0).sum())
    assert numbers["support_size"] == pytest.approx(float((output.weights > 1e-6).sum(-1).float().mean()), rel=1e-3)
    assert numbers["converged_share"] == 1


def test_hard_decoding_of_vector_quantization_is_its_reconstruction(images):
    numbers = evaluate(model_of("vq"), images)
    assert numbers["hard_mse"] == pytest.approx(numbers["mse"], rel=1e-5)
    assert numbers["soft_perplexity"] == numbers["hard_perplexity"]
    assert numbers["support_size"] == 1
    assert math.isnan(numbers["converged_share"])


def test_what_needs_a_codebook_does_not_apply_without_one(images):
    numbers = evaluate(model_of("none"), images)
    for name in (
        "hard_mse",
        "hard_perplexity",
        "soft_perplexity",
        "active_codes",
        "support_size",
        "tightness",
        "converged_share",
    ):
        assert math.isnan(numbers[name]), name


def test_every_quantizer_reports_the_same_names(images):
    names = {quantizer: set(evaluate(model_of(quantizer), images[:4])) for quantizer in ("scq", "vq", "none")}
    assert names["scq"] == names["vq"] == names["none"]


def test_evaluation_that_would_mislead_is_refused(images):
    model = model_of("scq")
    assert isinstance(model.quantizer, SoftConvexQuantizer)
    model.quantizer.return_weights = False
    with pytest.raises(ValueError, match="return_weights=False"):
        evaluate(model, images)
    with pytest.raises(ValueError, match="images has 0 pictures"):
        evaluate(model_of("vq"), images[:0])


def test_evaluation_collects_no_gradient_and_keeps_kmeans_waiting(images):
    model = build_model(TrainConfig(quantizer="vq", **{**SETTINGS, "init": "kmeans"}))
    assert isinstance(model.quantizer, VectorQuantizer)
    evaluate(model, images[:4])
    assert not model.quantizer.codebook_initialized
    assert all(parameter.grad is None for parameter in model.parameters())
