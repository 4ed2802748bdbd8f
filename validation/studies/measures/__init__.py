"""What is measured on a trained run of a study: one module each, with a function ``measure(trained)``.

It returns a dict that JSON can hold, or an empty one where there is nothing to measure.
"""

import importlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from scq.data import Dataset
from scq.models.base import Model
from scq.training import TrainConfig, load_run
from scq.training.images import images_of
from scq.training.model import pick_device


@dataclass(frozen=True)
class Trained:
    """A trained run.

    Attributes:
        run: its folder.
        config: what it was told.
    """

    run: Path
    config: TrainConfig

    @property
    def device(self) -> torch.device:
        return pick_device(self.config.device)

    def model(self) -> Model:
        """A fresh copy of the trained model, in evaluation mode, which has met the data."""
        model = load_run(self.run)[1].to(self.device)
        model.meet(self.images)
        return model

    @cached_property
    def images(self) -> Dataset:
        """What it was trained and is tested on."""
        return images_of(self.config)


def measure(name: str, trained: Trained) -> dict[str, Any]:
    """What the measure of that name says of a trained run."""
    return importlib.import_module(f"{__name__}.{name}").measure(trained)
