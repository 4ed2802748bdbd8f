"""Seconds a training step with each quantizer, against plain VQ, and what logging KKT residuals on every step adds."""

import statistics
import time

import torch
from common import write
from rich.progress import track
from torch.nn.functional import mse_loss

from scq import data
from scq.training import TrainConfig, build_model

WARM, STEPS = 3, 15


def seconds_a_step(models: dict[str, tuple[torch.nn.Module, bool]], batch_size: int) -> dict[str, float]:
    """Medians, the models in turn step by step, so that a machine that slows down slows all of them."""
    images = data.load("photos")
    batches = data.batches(images.train, batch_size, torch.Generator().manual_seed(0))
    optimizers = {name: torch.optim.Adam(model.parameters(), lr=1e-3) for name, (model, _) in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for step in track(range(WARM + STEPS), "steps"):
        pictures = next(batches)
        for name, (model, diagnose) in models.items():
            start = time.perf_counter()
            model.quantizer.diagnose = diagnose
            output = model(pictures)
            loss = mse_loss(output.reconstruction, pictures) / images.variance + output.quantized.loss
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
            if step >= WARM:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    rows = []
    for batch_size, width in ((128, 128), (32, 64)):
        models = {
            "plain VQ": (build_model(TrainConfig(quantizer="vq", width=width)), False),
            "exact SCQ, active_set": (build_model(TrainConfig(quantizer="scq", width=width)), False),
            "the same, KKT residuals of every step": (build_model(TrainConfig(quantizer="scq", width=width)), True),
            "exact SCQ, interior_point": (
                build_model(TrainConfig(quantizer="scq", backend="interior_point", width=width)),
                False,
            ),
            "relaxed SCQ": (build_model(TrainConfig(quantizer="scq_relaxed", width=width)), False),
        }
        seconds = seconds_a_step({name: (model.train(), flag) for name, (model, flag) in models.items()}, batch_size)
        exact = seconds["exact SCQ, active_set"]
        for name, value in seconds.items():
            added = f"{value / exact - 1:+.1%}" if name.startswith("the same") else ""
            rows.append(
                (str(batch_size), str(width), name, f"{value * 1e3:.0f}", f"{value / seconds['plain VQ']:.2f}", added)
            )
    headings = ("batch", "width", "quantizer", "ms a step", "/ plain VQ", "added by KKT logging")
    write(
        "training", "Seconds a training step", headings, rows, "Photographs of 32 x 32, K 128, F 16, lam 0.1, float32."
    )


if __name__ == "__main__":
    main()
