"""The test metrics: what they are called, and how their numbers are shown."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One number of :func:`scq.training.evaluate`; tables of runs that do not have it leave it out where it is not
    ``common``."""

    name: str
    title: str
    digits: int = 3
    scale: float = 1.0
    common: bool = True


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR, dB", digits=4),
        Metric("hard_psnr", "PSNR of hard decoding, dB", digits=4),
        Metric("ssim", "SSIM"),
        Metric("mse", "MSE, 10⁻³", scale=1e3),
        Metric("hard_mse", "MSE of hard decoding, 10⁻³", scale=1e3),
        Metric("feature_distance", "feature distance (EfficientNet-Lite0)", common=False),
        Metric("hard_feature_distance", "feature distance of hard decoding", common=False),
        Metric("lpips_vgg", "LPIPS (VGG)", common=False),
        Metric("hard_lpips_vgg", "LPIPS (VGG) of hard decoding", common=False),
        Metric("hard_perplexity", "hard perplexity"),
        Metric("hard_bits", "entropy of the hard code, bits a latent"),
        Metric("soft_perplexity", "soft perplexity"),
        Metric("active_codes", "codewords used"),
        Metric("support_size", "support a latent"),
        Metric("tightness", "distance to a vertex"),
        Metric("converged_share", "converged, %", scale=100.0),
    )
}


def codes(settings: Mapping[str, Any]) -> int:
    """How many hard codes a latent has, of a run's settings: stages times groups."""
    return settings.get("stages", 1) * settings.get("groups", 1)


def bits(settings: Mapping[str, Any]) -> float:
    """What they are in bits, if every codeword is as likely: log2 K each."""
    return codes(settings) * math.log2(settings["codebook_size"])


def completed(test: Mapping[str, float | None], codes: int = 1) -> dict[str, float | None]:
    """Test metrics, and those that follow from them where they are there: ``hard_psnr`` = -10 log10(hard_mse) dB, of
    pictures in [0, 1] as ``psnr`` is, and where a latent has one code ``hard_bits`` = log2(hard_perplexity), what an
    ideal entropy coder needs for it."""
    found = dict(test)
    if finite(test.get("psnr")) and (mse := finite(test.get("hard_mse"))):
        found["hard_psnr"] = -10 * math.log10(mse)
    if codes == 1 and (perplexity := finite(test.get("hard_perplexity"))):
        found["hard_bits"] = math.log2(perplexity)
    return found


def finite(value: float | None) -> float | None:
    """A number, or None: a run that diverged has none, and JSON has null for it."""
    return value if value is not None and math.isfinite(value) else None


def shown(tests: Collection[Mapping[str, Any]]) -> list[Metric]:
    """The metrics of a table of these tests."""
    return [metric for metric in METRICS.values() if metric.common or any(metric.name in test for test in tests)]
