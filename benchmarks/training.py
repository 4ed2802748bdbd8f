"""Seconds a training step with each quantizer, against plain VQ, and what logging KKT residuals on every step adds."""

import statistics
from collections.abc import Callable
from itertools import islice

import torch
from common import Round, run, together, write
from torch.nn.functional import mse_loss

from scq import data
from scq.training import TrainConfig, build_model
from scq.validation.common.measuring.timing import in_turns

WARM, STEPS = 3, 15
SIZES = ((128, 128), (32, 64))
"""Batch and width."""

PLAIN, EXACT, LOGGED = "plain VQ", "exact SCQ, active_set", "the same, KKT residuals of every step"


def seconds_a_step(models: dict[str, tuple[torch.nn.Module, bool]], batch_size: int) -> dict[str, float]:
    """Medians, the models in turn step by step on the same batches."""
    images = data.load("photos")
    drawn = data.batches(images.train, batch_size, torch.Generator().manual_seed(0))
    batches = list(islice(drawn, WARM + STEPS))

    def steps(model: torch.nn.Module, diagnose: bool) -> Callable[[], None]:
        optimizer, left = torch.optim.Adam(model.parameters(), lr=1e-3), iter(batches)

        def step() -> None:
            pictures = next(left)
            model.quantizer.diagnose = diagnose
            output = model(pictures)
            loss = mse_loss(output.reconstruction, pictures) / images.variance + output.quantized.loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    works = {name: steps(*told) for name, told in models.items()}
    seconds = in_turns(works, STEPS, torch.device("cpu"), warm=WARM)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure() -> Round:
    """Milliseconds a step."""
    found: Round = {}
    for batch_size, width in SIZES:
        models = {
            PLAIN: (build_model(TrainConfig(quantizer="vq", width=width)), False),
            EXACT: (build_model(TrainConfig(quantizer="scq", width=width)), False),
            LOGGED: (build_model(TrainConfig(quantizer="scq", width=width)), True),
            "exact SCQ, interior_point": (
                build_model(TrainConfig(quantizer="scq", backend="interior_point", width=width)),
                False,
            ),
            "relaxed SCQ": (build_model(TrainConfig(quantizer="scq_relaxed", width=width)), False),
        }
        seconds = seconds_a_step({name: (model.train(), flag) for name, (model, flag) in models.items()}, batch_size)
        found[f"{batch_size}, {width}"] = {name: 1e3 * value for name, value in seconds.items()}
    return found


def publish(rounds: list[Round]) -> None:
    rows = [
        (*place.split(", "), name, value, value.over(own[PLAIN]), value.over(own[EXACT]) if name == LOGGED else "")
        for place, own in together(rounds).items()
        for name, value in own.items()
    ]
    headings = ("batch", "width", "quantizer", "ms a step", "/ plain VQ", "/ without KKT logging")
    notes = (
        f"Photographs of 32 x 32, K 128, F 16, lam 0.1, float32; in each round medians of {STEPS} steps in turns, "
        f"after {WARM} that are not counted. Where a range holds 1, neither is the faster by what was measured."
    )
    write("training", "Seconds a training step", headings, rows, notes)


if __name__ == "__main__":
    run(measure, publish)
