"""A training run as its folder has it. Imports no torch before a model is asked for."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import scq
from scq.solvers import plugins
from scq.training.checkpoint import Checkpoints
from scq.training.config import CommonConfig, TrainConfig
from scq.training.folder import (
    CONFIG,
    CONFIG_TOML,
    ENVIRONMENT,
    METRICS,
    TEST,
    WEIGHTS,
    new_folder,
    write_bytes,
    write_json,
)
from scq.training.kinds import conforming
from scq.training.reading import parse_json, read_text
from scq.training.resuming import WHOLE, command, interruptible
from scq.training.settings import from_mapping
from scq.training.toml import as_toml

if TYPE_CHECKING:
    from torch import nn

    from scq.models.base import Model

_NOW = {"quantizer/gap": "quantizer/duality_gap"}
"""Numbers that logs had by another name before 0.2."""


@dataclass(frozen=True)
class Run:
    """A run: its settings, log, checkpoints, model and test numbers, each as it is on disk now.

    Args:
        folder: where it lives, or will.
    """

    folder: Path

    @staticmethod
    def open(folder: Path | str) -> "Run":
        """The run in a folder, finished or not.

        Raises:
            ValueError: there is none.
        """
        run = Run(Path(folder))
        if not (run.folder / CONFIG).is_file():
            raise ValueError(f"folder is '{run.folder}', must be the folder of a run (it has no {CONFIG})")
        return run

    @staticmethod
    def create(out: Path, name: str) -> "Run":
        """A run in a new folder ``out/name``, or with a number after it.

        Raises:
            ValueError: it cannot be made or written to. Better now than after hours of training.
        """
        return Run(new_folder(out, name, METRICS))

    @property
    def config(self) -> TrainConfig:
        """The settings.

        Raises:
            ValueError: it has none, or they are not of this version.
        """
        path = Run.open(self.folder).folder / CONFIG
        try:
            settings = from_mapping(CommonConfig, parse_json(read_text(path), "the file"))
            return settings.of(settings.quantizer)  # earlier versions took settings that changed nothing
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"'{path}' is not the configuration of a run of this version: {error}{self._brought_along()}"
            ) from error

    def _brought_along(self) -> str:
        """What it was trained with and this process has not: backends, quantizers, data and models of others. Nothing
        is imported because a file says so."""
        path = self.folder / ENVIRONMENT
        if not path.is_file():
            return ""
        where = f"'{path}'"
        content = conforming(where, parse_json(read_text(path), where), dict)
        modules = conforming(f"{where} imported", content.get("imported", ()), tuple[str, ...])
        packages = conforming(f"{where} plugins", content.get("plugins", {}), dict)
        lacking = [f"--import {name}" for name in modules if name not in plugins.named()]
        here = plugins.packages()
        lacking += [f"the package {name} {version}" for name, version in packages.items() if name not in here]
        return f"; it was trained with {', '.join(lacking)}, which this process has not" if lacking else ""

    def write_config(self, config: TrainConfig) -> None:
        """Writes the settings, so that :attr:`config` gives them back, and once more for ``scq train --config``."""
        write_bytes(self.folder / CONFIG_TOML, as_toml(config, scq.__version__).encode(), lasting=True)
        write_json(self.folder / CONFIG, dataclasses.asdict(config), lasting=True)

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return (self.folder / TEST).is_file() and (self.folder / WEIGHTS).is_file()

    @property
    def checkpoints(self) -> Checkpoints:
        """What it goes on from."""
        return Checkpoints(self.folder)

    @property
    def test(self) -> dict[str, float]:
        """The numbers on held-out examples, of a run that has finished."""
        return json.loads((self.folder / TEST).read_text())

    def log(self) -> list[dict[str, int | float]]:
        """What was logged, finished or not. A last line that a killed run left incomplete is dropped.

        Raises:
            ValueError: a line is no JSON object of numbers with its "step".
        """
        path = self.folder / METRICS
        lines = read_text(path).splitlines(keepends=True)
        return [_numbers(line, f"'{path}', line {n},") for n, line in enumerate(lines, 1) if line.endswith("\n")]

    def cut_log(self, step: int) -> None:
        """Drops what the log says of steps after that one, and a last line that is incomplete."""
        lines = [json.dumps(line) + "\n" for line in self.log() if line["step"] <= step]
        # Lasting, as its lines were before.
        write_bytes(self.folder / METRICS, "".join(lines).encode(), lasting=True)

    def model(self) -> "Model":
        """The trained model, in evaluation mode on the CPU.

        Raises:
            ValueError: the run has not finished, or its weights are not those of its settings.
        """
        from scq.training.model import trained_model

        config, weights = self.config, self.folder / WEIGHTS
        if not weights.is_file():
            raise ValueError(f"folder is '{self.folder}', must hold {WEIGHTS}; the run has not finished")
        return trained_model(config, weights)

    def write_model(self, model: "nn.Module", lasting: bool = False) -> None:
        """Writes the weights, so that :meth:`model` gives them back."""
        from scq.training.tensors import serialised

        write_bytes(self.folder / WEIGHTS, serialised(model.state_dict()), lasting)

    @contextmanager
    def explained(self, model: "nn.Module", first: bool) -> Iterator[None]:
        """Keeps the weights at Ctrl-C, and says what there is, and how to go on."""
        if not first:
            yield
            return
        with interruptible(command("train", self.folder), self._saved):
            try:
                yield
            except KeyboardInterrupt:
                self.write_model(model)
                raise

    @contextmanager
    def writing(self, step: int) -> Iterator[None]:
        """Says of a full disk which step was reached, and how to go on."""
        try:
            yield
        except OSError as error:
            where = f"step {step} could not be written to '{self.folder}': {error.strerror or error}"
            again = WHOLE.get() or command("train", self.folder)
            raise OSError(error.errno, f"{where}; {self._saved()}; to go on from there: {again}") from error

    def _saved(self) -> str:
        steps = self.checkpoints.steps()
        return f"saved up to step {steps[0] if steps else 0}"


def load_run(folder: Path | str) -> tuple[TrainConfig, "Model"]:
    """A trained model, in evaluation mode on the CPU, and the settings it was trained with.

    Args:
        folder: a run's folder, as :func:`scq.training.train` writes it.

    Raises:
        ValueError: the folder holds no finished run, or its weights are not those of its settings.
    """
    run = Run.open(folder)
    return run.config, run.model()


def _numbers(line: str, where: str) -> dict[str, int | float]:
    content = parse_json(line, where)
    if not isinstance(content, dict) or not isinstance(content.get("step"), int):
        raise ValueError(f"{where} is not an object with a step")
    for name, value in content.items():
        # A larger integer is no float.
        if not isinstance(value, float) and not (isinstance(value, int) and abs(value) < 2**63):
            raise ValueError(f"{where} has {name} {str(value)[:40]!r}, must be a number")
    return {_NOW.get(name, name): value for name, value in content.items()}
