"""The folder of a run: made once, never overwritten, readable while the run goes on."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scq.training.config import CommonConfig, TrainConfig
from scq.training.reading import parse_json, read_text
from scq.training.settings import from_mapping

CONFIG, METRICS, CHECKPOINTS = "config.json", "metrics.jsonl", "checkpoints"
WEIGHTS, TEST, ENVIRONMENT = "model.safetensors", "test.json", "environment.json"


_NOW = {"quantizer/gap": "quantizer/duality_gap"}
"""Numbers that logs had by another name before 0.2."""


def create(out: Path, name: str) -> Path:
    """Makes a new folder ``out/name``, or ``out/name-2``, ``out/name-3``, ... when there is one already.

    Raises:
        ValueError: it cannot be made or written to. Better now than after hours of training.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            folder = out / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
        (folder / METRICS).touch()
    except OSError as error:
        raise ValueError(f"out is '{out}', which cannot be written to: {error}") from error
    return folder


def finished(folder: Path) -> bool:
    """Whether the run in that folder came to its end."""
    return (folder / TEST).is_file() and (folder / WEIGHTS).is_file()


def write_bytes(path: Path, content: bytes, lasting: bool = False) -> None:
    """Replaces the file as a whole: whoever reads it, or kills this process, finds the old one or the new one.

    Args:
        lasting: after a power cut too. It costs waits for the disk.
    """
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        if lasting:
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)
    if lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk, where the system can: a file that was renamed has its old name there
    until then."""
    if os.name == "nt":
        return  # no folder can be opened there, and renaming is in the file system's journal
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Mapping[str, Any], lasting: bool = False) -> None:
    """Replaces the file. Numbers that are not finite are written as Python reads them: NaN, Infinity."""
    write_bytes(path, (json.dumps(content, indent=2, default=str) + "\n").encode(), lasting)


def write_config(folder: Path, config: TrainConfig) -> None:
    """Writes the settings, so that :func:`read_config` gives them back."""
    write_json(folder / CONFIG, dataclasses.asdict(config), lasting=True)


def read_config(folder: Path) -> TrainConfig:
    """The settings of a run.

    Raises:
        ValueError: the folder is none, or its config.json is not of this version.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"folder is '{folder}', must be the folder of a run (it has no {CONFIG})")
    try:
        settings = from_mapping(CommonConfig, parse_json(read_text(path), "the file"))
        return settings.of(settings.quantizer)  # earlier versions took settings that changed nothing
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"'{path}' is not the configuration of a run of this version: {error}") from error


def read_metrics(folder: Path) -> list[dict[str, int | float]]:
    """The log of a run, finished or not. A last line that a killed run left incomplete is dropped.

    Raises:
        ValueError: a line is no JSON object of numbers with its "step".
    """
    path = folder / METRICS
    lines = read_text(path).splitlines(keepends=True)
    return [_numbers(line, f"'{path}', line {n},") for n, line in enumerate(lines, 1) if line.endswith("\n")]


def _numbers(line: str, where: str) -> dict[str, int | float]:
    content = parse_json(line, where)
    if not isinstance(content, dict) or not isinstance(content.get("step"), int):
        raise ValueError(f"{where} is not an object with a step")
    for name, value in content.items():
        # A larger integer is no float.
        if not isinstance(value, float) and not (isinstance(value, int) and abs(value) < 2**63):
            raise ValueError(f"{where} has {name} {str(value)[:40]!r}, must be a number")
    return {_NOW.get(name, name): value for name, value in content.items()}


def cut_metrics(folder: Path, step: int) -> None:
    """Drops what the log says of steps after that one, and a last line that is incomplete."""
    lines = [json.dumps(line) + "\n" for line in read_metrics(folder) if line["step"] <= step]
    # Lasting, as its lines were before.
    write_bytes(folder / METRICS, "".join(lines).encode(), lasting=True)
