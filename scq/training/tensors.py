"""Tensors as safetensors files, which cannot hold code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from scq.training.reading import MAX_TEXT, parse_json


def serialised(tensors: Mapping[str, Tensor]) -> bytes:
    """As a safetensors file."""
    return save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name, on the CPU. They are no larger than the file.

    Raises:
        ValueError: it is truncated, or is something else.
    """
    try:
        # Not by the path, which may be no UTF-8 and is then no path to safetensors.
        return load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise ValueError(f"'{path}' cannot be read as a safetensors file: {error}") from error


def read_metadata(path: Path) -> dict[str, Any]:
    """What a safetensors file says beside its tensors, by name.

    Raises:
        ValueError: it is truncated, or is something else.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = parse_json(file.read(min(length, MAX_TEXT)).decode(errors="replace"), f"the head of '{path}'")
    said = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(said, dict):
        raise ValueError(f"'{path}' is no safetensors file")
    return said
