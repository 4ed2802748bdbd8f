"""Weights of published networks: from a file that the user names, from torch's cache, or downloaded with a checksum."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor

_SITE = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Published:
    """Weights with a place on the net.

    Args:
        title: what they are, for messages.
        file: its name there, with the first characters of its SHA-256 after the last hyphen.
        megabytes: about.
    """

    title: str
    file: str
    megabytes: int

    @property
    def url(self) -> str:
        """Where it is."""
        return _SITE + self.file


def published(weights: Published, path: Path | None) -> Mapping[str, Tensor]:
    """The state of a published network.

    Args:
        weights: which.
        path: a file that has it, as torch saves a state_dict. None looks into torch's cache
            (``torch.hub.get_dir()/checkpoints``), and downloads it there, checking its SHA-256.

    Raises:
        FileNotFoundError: the path is no file.
        ConnectionError: it is not in the cache and cannot be downloaded; the message says what to do.
        ValueError: what is there holds something else, or what came has another checksum.
    """
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(f"{weights.title}: '{path}' is not there, must be the file {weights.file}")
        return _checked(path, torch_load(path))
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        return torch.hub.load_state_dict_from_url(
            weights.url, model_dir=str(cache), map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (URLError, TimeoutError, ConnectionError) as error:
        raise ConnectionError(
            f"{weights.title} ({weights.megabytes} MB) could not be downloaded: {error}; get {weights.url} on a "
            f"machine that is online, and put it into '{cache}' or name the file"
        ) from error
    except RuntimeError as error:
        raise ValueError(f"{weights.title} from {weights.url} is not what it must be: {error}") from error


def torch_load(path: Path) -> Any:
    """What torch saved, of tensors alone: nothing in it is run.

    Raises:
        ValueError: it cannot be read so.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"'{path}' is not a file of weights as torch saves them: {error}") from error


def _checked(path: Path, state: Any) -> Mapping[str, Tensor]:
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"'{path}' holds a {type(state).__name__}, must hold a state_dict: tensors by name")
    return state


def loaded(module: torch.nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Puts weights into a network, each of which must be there; others may be too.

    Raises:
        ValueError: one is missing or of another shape.
    """
    for name, own in module.state_dict().items():
        if name not in state or state[name].shape != own.shape:
            found = tuple(state[name].shape) if name in state else None
            raise ValueError(f"{where} has {name} of shape {found}, must have {tuple(own.shape)}")
    module.load_state_dict(state, strict=False)
