"""The numbers of a trained model on pictures that it has not seen."""

from collections import Counter
from collections.abc import Callable, Mapping

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from scq.data.batching import at_once, to_float
from scq.data.dataset import LazyExamples
from scq.models.autoencoding import PictureModel
from scq.models.measuring import CodebookUse, evaluating
from scq.quantizers.stacked import places


def evaluate(
    model: PictureModel, images: UInt8[Tensor, "N 3 H W"] | LazyExamples, batch_size: int | None = None
) -> dict[str, float]:
    """Reconstructs pictures, softly and by the hard code, and measures the error and the use of the codebook.

    Reconstructions are clipped to the range of pictures, [0, 1], before they are measured.

    Args:
        model: on any device; its mode is put back afterwards.
        images: (N, 3, H, W), N >= 1, 0 to 255, in memory or read when they are looked at.
        batch_size: pictures at a time; by default 250 of 32 x 32 pixels, of larger ones as many fewer.

    Returns:
        mse, psnr (in dB, of the mean error over all pictures), ssim (mean over pictures, an
            11 x 11 Gaussian window, borders reflected and counted): of the reconstruction; and the means over pictures
            of the distances that the model names (:meth:`scq.models.PictureModel.distances`).
        hard_mse, hard_psnr and so on: the same when only the argmax codeword of each latent is kept.
        hard_perplexity, soft_perplexity, active_codes, support_size, tightness: over all pictures, as
            :meth:`scq.quantizers.usage.Usage.compute` defines them; the means over stages and groups.
        converged_share: of the solver, over all latents.
        What does not apply is NaN: for the plain autoencoder all that needs a codebook, and the solver's share for
        every quantizer that has no solver.

    Raises:
        ValueError: no pictures, or a soft quantizer that does not return its weights.
    """
    if len(images) == 0:
        raise ValueError("images has 0 pictures, must have at least 1")
    batch_size, distances = batch_size or at_once(images, 250), model.distances()
    quantizer = model.quantizer if any(places(model.quantizer)) else None
    use, seen = CodebookUse(model.quantizer), 0
    with evaluating(model) as device:
        soft, hard = Errors(distances, device), Errors(distances, device)
        for batch in images.split(batch_size):
            pictures, seen = to_float(batch.to(device)), seen + len(batch)
            output = model(pictures)
            soft.update(output.reconstruction, pictures)
            use.update(output.quantized)
            if quantizer:
                hard.update(model.decode(quantizer.decode(output.quantized.indices)), pictures)
    if seen == 0:
        raise ValueError(f"none of the {len(images)} images could be read")
    numbers = soft.compute()
    of_hard = hard.compute() if quantizer else dict.fromkeys(numbers, float("nan"))
    return numbers | {f"hard_{name}": value for name, value in of_hard.items()} | use.compute()


class Errors:
    """The errors of reconstructions of pictures, batch after batch."""

    def __init__(self, distances: Mapping[str, Callable[[Tensor, Tensor], Tensor]], device: torch.device) -> None:
        # Numbers of this process alone: it need not be one of several that evaluate, and would wait for the others.
        self._psnr = PeakSignalNoiseRatio(data_range=1.0, sync_on_compute=False).to(device)
        self._ssim = StructuralSimilarityIndexMeasure(data_range=1.0, sync_on_compute=False).to(device)
        self._distances, self._sums = distances, Counter[str]()
        self._square, self._pixels, self._pictures = 0.0, 0, 0

    def update(self, reconstruction: Tensor, pictures: Tensor) -> None:
        made, target = (reconstruction + 0.5).clamp(0, 1), pictures + 0.5
        self._square += float((made - target).square().sum())
        self._psnr.update(made, target)
        self._ssim.update(made, target)
        for name, distance in self._distances.items():
            self._sums[name] += float(distance(2 * made - 1, 2 * target - 1).sum())
        self._pixels += target.numel()
        self._pictures += len(target)

    def compute(self) -> dict[str, float]:
        """By name."""
        numbers = {
            "mse": self._square / self._pixels,
            "psnr": float(self._psnr.compute()),
            "ssim": float(self._ssim.compute()),
        }
        return numbers | {name: self._sums[name] / self._pictures for name in self._distances}
