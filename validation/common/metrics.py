"""The test metrics: what they are called, and how their numbers are shown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One number of :func:`scq.training.evaluate`."""

    name: str
    title: str
    digits: int = 3
    scale: float = 1.0


METRICS = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR, dB", digits=4),
        Metric("ssim", "SSIM"),
        Metric("mse", "MSE, 10⁻³", scale=1e3),
        Metric("hard_mse", "MSE of hard decoding, 10⁻³", scale=1e3),
        Metric("hard_perplexity", "hard perplexity"),
        Metric("soft_perplexity", "soft perplexity"),
        Metric("active_codes", "codewords used"),
        Metric("support_size", "support a latent"),
        Metric("tightness", "distance to a vertex"),
        Metric("converged_share", "converged, %", scale=100.0),
    )
}
