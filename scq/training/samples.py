"""What trackers show of a model beside its numbers: held-out examples as it makes them, and the codes they have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from accelerate.tracking import GeneralTracker
from jaxtyping import UInt8
from torch import Tensor

from scq.data.dataset import Dataset, spread
from scq.models.base import Model
from scq.training import trackers
from scq.training.config import TrainConfig
from scq.training.parts import VIEWERS

_SHOWN, _CODED = 8, 64
"""Held-out examples that are shown, and whose codes are counted: the same ones at every look."""

_BINS = 512
"""At most, of the histogram: wandb takes no more."""


class Samples:
    """Looks at a model that is being trained. The training goes on as if nobody had looked.

    Args:
        config: of the run.
        model: in training, on its device.
        dataset: whose held-out examples are looked at, all along the same few.
        started: the trackers.
        processes: that share a batch: no more examples are computed at once than one of them trains on.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Model,
        dataset: Dataset,
        started: Sequence[GeneralTracker],
        processes: int = 1,
    ) -> None:
        self._config, self._model, self._dataset = config, model, dataset
        self._trackers = [tracker for tracker in started if tracker.name in VIEWERS]
        self._at_once = config.batch_size // (config.accumulate * processes)

    def due(self, step: int) -> bool:
        """Whether this step is one of those that are looked at."""
        every = self._config.samples_every
        return bool(self._trackers and every) and (step in (1, self._config.steps) or step % every == 0)

    def show(self, step: int) -> None:
        """Looks, and gives what is seen to the trackers.

        Raises:
            ValueError: the model's samples of pictures are no pictures of their size.
        """
        with _as_it_is(self._model):
            pictures, codes = self._pictures(), self._codes()
        for tracker in self._trackers:
            if pictures is not None:
                trackers.show_picture(tracker, "samples/reconstructions", pictures, step)
            if codes is not None:
                trackers.show_histogram(tracker, "samples/codes", *codes, step)

    def _pictures(self) -> UInt8[np.ndarray, "H W channels"] | None:
        """Held-out pictures above, and below what the model makes of them; None where examples are no pictures."""
        if self._dataset.kind != "pictures":
            return None
        examples = self._some(_SHOWN)
        made = torch.cat([self._model.samples(part) for part in examples.split(self._at_once)]).cpu()
        if made.shape != examples.shape or made.dtype != examples.dtype:
            raise ValueError(
                f"model.samples gave {tuple(made.shape)} {made.dtype}, must be {tuple(examples.shape)} "
                f"{examples.dtype}, as the pictures that it was given"
            )
        return torch.stack([examples, made]).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2).numpy()

    def _codes(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The hard codes of held-out examples, and the edges of bins of equally many codewords; None without any."""
        size = getattr(self._model.quantizer, "codebook_size", None)
        if size is None:
            return None
        device = next(self._model.parameters()).device
        codes = torch.cat(
            [
                self._model.encode_to_codes(self._dataset.ready(part).to(device)).flatten()
                for part in self._some(_CODED).split(self._at_once)
            ]
        )
        width = -(-size // _BINS)
        return codes.cpu().numpy(), np.arange(0, size + width, width) - 0.5

    def _some(self, wanted: int) -> Tensor:
        return self._dataset.test[spread(len(self._dataset.test), wanted)]


@contextmanager
def _as_it_is(model: Model) -> Iterator[None]:
    """The model in evaluation mode, without gradients or residuals; afterwards each module is in the mode that it was
    in, and random numbers go on where they were."""
    modes = {module: module.training for module in model.modules()}
    device, diagnose = next(model.parameters()).device, model.quantizer.diagnose
    model.eval()
    model.quantizer.diagnose = False
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        model.quantizer.diagnose = diagnose
        for module, mode in modes.items():
            module.training = mode
