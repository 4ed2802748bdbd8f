"""How fast trained models are, on the same pictures in turns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from scq.data import to_float
from scq.data.dataset import Examples, spread
from scq.models import PictureModel
from scq.validation.common.measuring.passes import forward, step
from scq.validation.common.measuring.timing import Repeated, alike, circumstances, in_turns, repeated
from scq.validation.paired.methods import METHODS

ROUNDS = 9

_PICTURES = 128


def measure_speeds(
    models: Mapping[str, PictureModel], images: Examples, batch_size: int, device: torch.device
) -> dict[str, Any]:
    """Times the models in turns, forward and as in a training step, after one round that is not counted.

    Args:
        models: trained, by name of the method, on the device; they have met the data. Buffers of a quantizer that moves
            its codebook in the forward pass of training move, so that nothing else should be done with them afterwards.
        images: held-out pictures, of which each pass takes some, spread evenly.
        batch_size: pictures of a training step.
        device: where the models are.

    Returns:
        What :func:`read_speeds` reads: ``forward`` and ``step``, seconds of each round by method; ``pictures`` and
        ``batch``, how many each pass took; threads and load.
    """
    before = circumstances()
    works: dict[str, Callable[[], object]] = {}
    pictures, batch = (to_float(images[spread(len(images), wanted)]).to(device) for wanted in (_PICTURES, batch_size))
    for name, model in models.items():
        works |= {f"forward {name}": partial(forward, model, pictures), f"step {name}": partial(step, model, batch)}
    seconds = in_turns(works, ROUNDS, device)
    times = {kind: {name: seconds[f"{kind} {name}"] for name in models} for kind in ("forward", "step")}
    return {**times, "pictures": len(pictures), "batch": len(batch), **before}


@dataclass(frozen=True)
class Speeds:
    """What :func:`measure_speeds` found.

    Attributes:
        forward: pictures a second of the forward pass in evaluation, by method.
        step: seconds of forward and backward of a training step, by method.
        pictures, batch: pictures of each.
        threads: torch's.
        load: of the machine before it.
    """

    forward: Mapping[str, Repeated]
    step: Mapping[str, Repeated]
    pictures: int
    batch: int
    threads: int
    load: float

    @property
    def forward_caption(self) -> str:
        """How the speed was measured, and who cannot be told apart by it."""
        what = f"Speed of the forward pass in evaluation, {self.pictures} held-out pictures at a time"
        return f"{what}: {self._how(self.forward)}"

    @property
    def step_caption(self) -> str:
        """The same of the training step."""
        return (
            f"Time of a training step of {self.batch} pictures after training, forward and backward, without the "
            f"optimiser: {self._how(self.step)} Times of the steps in the log are left out: the runs came one after "
            "another, each while the machine did whatever else it did."
        )

    def _how(self, measured: Mapping[str, Repeated]) -> str:
        rounds = min((value.n for value in measured.values()), default=0)
        pairs = ", ".join(f"{METHODS[one].title} and {METHODS[other].title}" for one, other in alike(measured))
        return (
            f"median, and smallest to largest, of {rounds} rounds in which the models took turns, after one that is "
            f"not counted; {self.threads} threads; load average {self.load:g} before."
            + (f" Not told apart, because their ranges overlap: {pairs}." if pairs else "")
        )


def read_speeds(content: Mapping[str, Any]) -> Speeds | None:
    """The speeds of a results.json; None of one from before they were measured in turns."""
    if not content:
        return None
    forward = {name: value for name, times in content["forward"].items() if (value := repeated(times))}
    step = {name: value for name, times in content["step"].items() if (value := repeated(times))}
    return Speeds(
        {name: value.rate(content["pictures"]) for name, value in forward.items()},
        step,
        content["pictures"],
        content["batch"],
        content["threads"],
        content["load"],
    )
