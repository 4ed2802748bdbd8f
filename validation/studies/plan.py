"""What a study runs: its cells, each a training run with a folder of its own. Nothing is trained here."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scq.quantizers import registry
from scq.training import TrainConfig
from validation.config import StudyConfig

Stage = Literal["tune", "stress", "final"]
Place = tuple[str, int, str]
"""Data set, codebook size, quantizer."""

VALIDATION_SHARE = 0.1

_WEIGHTS = ("regularizer_weight", "commitment_weight", "quantization_weight")
"""What makes a smoothed quantizer itself comes before the term that all soft ones have."""


@dataclass(frozen=True)
class Choice:
    """Settings to try, or the ones that were chosen.

    Attributes:
        learning_rate: of Adam.
        factor: by which the quantizer's weight in the loss is multiplied.
    """

    learning_rate: float
    factor: float = 1.0


@dataclass(frozen=True)
class Cell:
    """One training run of a study.

    Attributes:
        stage: what it is for.
        choice: the settings that are tuned, which ``config`` has too.
        config: what the run is told; its folder is ``config.out / config.name``.
    """

    stage: Stage
    choice: Choice
    config: TrainConfig

    @property
    def run(self) -> Path:
        return self.config.out / str(self.config.name)

    @property
    def place(self) -> Place:
        return self.config.data, self.config.codebook_size, self.config.quantizer


def quantizers(config: StudyConfig) -> tuple[str, ...]:
    """The quantizers of the study."""
    return config.quantizers or tuple(entry.name for entry in registry.entries())


def weight_setting(quantizer: str) -> str | None:
    """The setting of :class:`scq.training.TrainConfig` that is tuned as the quantizer's weight; None without one."""
    settings = registry.get(quantizer).settings
    return next((name for name in _WEIGHTS if name in settings), None)


def trials(config: StudyConfig, quantizer: str) -> list[Choice]:
    """The grid of a quantizer: every learning rate with every factor, where there is a weight to multiply."""
    factors = config.weight_factors if weight_setting(quantizer) else (1.0,)
    return [Choice(*pair) for pair in itertools.product(config.learning_rates, factors)]


def tuning_cells(config: StudyConfig, folder: Path) -> list[Cell]:
    """Every quantizer on its grid, at every place where it is tuned, on a validation split."""
    if config.tune == "off":
        return []
    places = list(_places(config))
    if config.tune == "first":
        places = [place for place in places if place[:2] == (config.datasets[0], config.sizes[0])]
    return [
        _cell(config, folder, "tune", place, choice, config.train.seed, validation_share=VALIDATION_SHARE)
        for place in places
        for choice in trials(config, place[2])
    ]


def where_tuned(config: StudyConfig, place: Place) -> Place:
    """The place whose choice holds at this one: itself, or the first one."""
    data, size, quantizer = place
    if config.tune == "first":
        data = config.datasets[0]
    if config.tune == "first" or not _has_codebook(quantizer):
        size = config.sizes[0]
    return data, size, quantizer


def everywhere(config: StudyConfig) -> dict[Place, Choice]:
    """The settings of the configuration itself, at all places where others could be chosen."""
    return {where_tuned(config, place): Choice(config.train.learning_rate) for place in _places(config)}


def stress_cells(config: StudyConfig, folder: Path, choices: Mapping[Place, Choice]) -> list[Cell]:
    """Every quantizer with a codebook from a start with all codewords far from the data, on the first data set.

    The settings are those chosen at the largest size of the study; a quantizer without a choice is left out. No
    k-means, which would undo the bad start.
    """
    if not config.stress_size:
        return []
    cells = []
    for quantizer in filter(_has_codebook, quantizers(config)):
        choice = choices.get(where_tuned(config, (config.datasets[0], max(config.sizes), quantizer)))
        place = (config.datasets[0], config.stress_size, quantizer)
        steps = config.stress_steps or config.train.steps
        start = {"init": "normal", "latents_offset": config.stress_offset, "steps": steps}
        if choice:
            cells.append(_cell(config, folder, "stress", place, choice, config.train.seed, **start))
    return cells


def final_cells(config: StudyConfig, folder: Path, choices: Mapping[Place, Choice]) -> list[Cell]:
    """Every quantizer everywhere over fresh seeds; one without a choice is left out.

    Of a data set and size, all have a seed before any has the next: what a killed call leaves can be compared.
    """
    return [
        _cell(config, folder, "final", place, choices[where_tuned(config, place)], config.train.seed + 1 + number)
        for data in config.datasets
        for size in config.sizes
        for number in range(config.seeds)
        for place in _places(config)
        if place[:2] == (data, size) and where_tuned(config, place) in choices
    ]


def _places(config: StudyConfig) -> Iterator[Place]:
    """The autoencoder without a codebook is the same at every size, and has its place at the first."""
    for place in itertools.product(config.datasets, config.sizes, quantizers(config)):
        if _has_codebook(place[2]) or place[1] == config.sizes[0]:
            yield place


def _has_codebook(quantizer: str) -> bool:
    return registry.get(quantizer).parts is not None


def _cell(
    config: StudyConfig,
    folder: Path,
    stage: Stage,
    place: Place,
    choice: Choice,
    seed: int,
    **changes: float | int | str,
) -> Cell:
    data, size, quantizer = place
    weight = weight_setting(quantizer)
    weights = {weight: getattr(config.train, weight) * choice.factor} if weight else {}
    name = f"{data}-K{size}-{quantizer}-rate{choice.learning_rate:g}-factor{choice.factor:g}-seed{seed}"
    settings = {
        "data": data,
        "codebook_size": size,
        "quantizer": quantizer,
        "learning_rate": choice.learning_rate,
        "seed": seed,
        "gap": False,
        "out": folder / stage,
        "name": name,
    }
    return Cell(stage, choice, dataclasses.replace(config.train, **settings, **weights, **changes))
