"""Folders of results: made once, never overwritten, readable while something is being written."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG, CONFIG_TOML, METRICS, CHECKPOINTS = "config.json", "run.toml", "metrics.jsonl", "checkpoints"
WEIGHTS, TEST, ENVIRONMENT = "model.safetensors", "test.json", "environment.json"


def new_folder(out: Path, name: str, *files: str) -> Path:
    """Makes a new folder ``out/name``, or ``out/name-2``, ``out/name-3``, ... when there is one already.

    Args:
        files: that it has from the beginning, empty.

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
        for file in files:
            (folder / file).touch()
    except OSError as error:
        raise ValueError(f"out is '{out}', which cannot be written to: {error}") from error
    return folder


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
