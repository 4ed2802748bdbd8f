"""The folder that a command of several runs or cells works in: its settings, its lock, and the way to go on."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scq.training.folder import new_folder
from scq.training.lock import held
from scq.training.resuming import command, interruptible
from scq.training.settings import from_mapping
from scq.validation.common.files import read_json, write_json, written_by_us

SETTINGS = "settings.json"

_OF_THE_CALL = ("resume", "jobs", "engine", "minutes")
"""Settings of one call, which the next one has defaults for again."""


@contextmanager
def working(name: str, config: Any, where: tuple[Path, str], so_far: Callable[[Path], str]) -> Iterator[Path]:
    """The folder of a command, ``config.resume`` or a new one. Inside, nobody else gets it, and Ctrl-C is answered with
    how to go on with it.

    The settings are written there at once, so that going on needs none.

    Args:
        name: of the command, as it is typed.
        config: its settings; they have ``resume``.
        where: where a new folder is made, and its name.
        so_far: what there is, in words, of the folder.

    Raises:
        ValueError: the folder is another process's, or cannot be written to.
    """
    folder = config.resume or new_folder(*where)
    with held(folder), interruptible(command(name, folder), lambda: so_far(folder)):
        write_settings(folder, name, config)
        yield folder


def write_settings(folder: Path, name: str, config: Any) -> None:
    """Writes what :func:`read_settings` gives back."""
    settings = {field: value for field, value in dataclasses.asdict(config).items() if field not in _OF_THE_CALL}
    write_json(folder / SETTINGS, {"command": name, "settings": settings})


def read_settings(folder: Path, name: str, kind: type) -> Any:
    """The settings that a command was begun with in a folder, to go on with; None where there are none, because an
    earlier version began it.

    Raises:
        ValueError: another command's folder, or settings that are none of this version.
    """
    path = folder / SETTINGS
    if not path.is_file():
        return None
    with written_by_us(path):
        content = read_json(path)
        if content["command"] != name:
            raise ValueError(
                f"resume is '{folder}', which {content['command']} made, must be gone on with by: "
                f"{command(content['command'], folder)}"
            )
        return dataclasses.replace(from_mapping(kind, content["settings"]), resume=folder)
