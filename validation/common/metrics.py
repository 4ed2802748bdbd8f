"""The test metrics: what they are called, and how their numbers are shown."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from scq.validation.common.tables import number


@dataclass(frozen=True)
class Metric:
    """One of the numbers that a model evaluates itself by; tables of runs that do not have it leave it out where it is
    not ``common``."""

    name: str
    title: str
    digits: int = 3
    scale: float = 1.0
    common: bool = True

    @property
    def label(self) -> str:
        """The title without its unit."""
        return self.title.partition(", ")[0]

    @property
    def unit(self) -> str:
        """Empty where there is none."""
        return self.title.partition(", ")[2]

    def said(self, value: float | None) -> str:
        """The number with its name and unit, in a sentence."""
        return " ".join(filter(None, (self.label, number(value, self.digits, self.scale).text, self.unit)))

    def with_unit(self, value: str) -> str:
        """What was written of it, with its unit: "20.1 dB", "3.2·10⁻³"."""
        return f"{value}{'·' if self.unit.startswith('10') else ' '}{self.unit}".strip()


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
        Metric("accuracy", "accuracy, %", scale=100.0, common=False),
        Metric("hard_accuracy", "accuracy of hard decoding, %", scale=100.0, common=False),
        Metric("cross_entropy", "cross-entropy, bits a character", common=False),
        Metric("hard_cross_entropy", "cross-entropy of hard decoding, bits a character", common=False),
        Metric("code_bits", "entropy of the codes, bits a character", common=False),
        Metric("digit_accuracy", "digits told by a probe, %", scale=100.0, common=False),
        Metric("untrained_digit_accuracy", "the same before training, %", scale=100.0, common=False),
        Metric("speaker_accuracy", "speakers told by a probe, %", scale=100.0, common=False),
        Metric("contrastive_accuracy", "contrastive accuracy, %", scale=100.0, common=False),
        Metric("identical_negatives", "negatives equal to their target, %", scale=100.0, common=False),
        Metric("digit_information", "normalised mutual information of codes and digits", common=False),
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
    return [one for one in METRICS.values() if one.common or any(one.name in test for test in tests)]


def metric(name: str) -> Metric:
    """The metric of that name; of a model of somebody else it is called as its number."""
    return METRICS.get(name, Metric(name, name.replace("_", " ")))
