"""What settings classes have in common: fields that are checked, and read back from files. Imports no torch."""

import dataclasses
import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from scq.solvers.suggestions import among
from scq.training.kinds import conforming

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """Settings by name: whatever a field is given becomes what its annotation says, or is refused by name."""

    def __post_init__(self) -> None:
        for name, kind in hints(type(self)).items():
            object.__setattr__(self, name, conforming(name, getattr(self, name), kind))


@functools.cache
def hints(kind: type) -> dict[str, Any]:
    """The annotations of a dataclass's fields, by name."""
    found = get_type_hints(kind, include_extras=True)
    return {field.name: found[field.name] for field in dataclasses.fields(kind)}


def values(kind: type, content: Any, where: str = "") -> dict[str, Any]:
    """Some of the settings of ``kind``, as JSON or TOML has them: paths are texts there, and tuples lists.

    Args:
        kind: a dataclass.
        content: what was read.
        where: where it stands in its file, for messages.

    Raises:
        ValueError: no table, a name that the class does not have, or a value out of range.
        TypeError: a value of another kind.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{where or 'the file'} is {content!r}, must be a table")
    kinds = hints(kind)
    for name in content:
        if name not in kinds:
            raise ValueError(f"{where or 'the file'} has {name!r}, {among(name, sorted(kinds), 'must be among')}")
    return {name: _value(f"{where}.{name}".lstrip("."), value, kinds[name]) for name, value in content.items()}


def _value(name: str, value: Any, kind: Any) -> Any:
    return from_mapping(kind, value, name) if dataclasses.is_dataclass(kind) else conforming(name, value, kind)


def from_mapping(kind: type[T], content: Any, where: str = "") -> T:
    """The settings ``kind`` of what a file has. What is not there has its default: settings of before it existed did
    what that does.

    Args:
        kind: a dataclass.
        content: what was read, as :func:`dataclasses.asdict` made it.
        where: as for :func:`values`.

    Raises:
        ValueError, TypeError: as :func:`values`, and where something is missing that has no default.
    """
    found = values(kind, content, where)
    for field in dataclasses.fields(kind):  # pyrefly: ignore
        if field.name not in found and field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where or 'the file'} has no {field.name!r}, which it must have")
    return kind(**found)


def refuse_others(folder: Path, was: Any, given: Any, may_change: Collection[str] = ()) -> None:
    """What was begun goes on with its own settings.

    Args:
        folder: what is gone on with.
        was: the settings that it was begun with.
        given: those that are given now, of the same class.
        may_change: names of settings that may be others.

    Raises:
        ValueError: one is another; naming the folder and the setting, what it was and what was given.
    """
    for name, before, now in _differing(was, given):
        if name not in may_change:
            raise ValueError(
                f"resume is '{folder}', which was started with {name} {before}, must not be given {now}: what was "
                "started goes on with its own settings"
            )


def _differing(was: Any, given: Any) -> Iterator[tuple[str, Any, Any]]:
    for field in dataclasses.fields(was):
        before, now = getattr(was, field.name), getattr(given, field.name)
        if dataclasses.is_dataclass(before):
            yield from _differing(before, now)
        elif before != now:
            yield field.name, before, now


def check_folder_name(name: str) -> None:
    """
    Raises:
        ValueError: no name of a new folder.
    """
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"name is {name!r}, must be the name of one folder, without a path")
