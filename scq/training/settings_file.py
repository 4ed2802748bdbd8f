"""Settings read back from JSON as the dataclass that they were, and compared with those that are given now."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def restored(kind: type, content: Mapping[str, Any]) -> Any:
    """The dataclass ``kind`` with what :func:`dataclasses.asdict` and JSON made of it: paths are texts there, and
    tuples lists. A field that is not there has its default: settings of before it existed did what that does.

    Raises:
        ValueError, TypeError: a setting that the class does not have, or whose value is of another kind.
    """
    kinds = get_type_hints(kind)
    values = {name: _restored(value, kinds.get(name)) for name, value in content.items()}
    # JSON has any kind of value under any name; a dataclass does not look.
    for name, value in values.items():
        if name in kinds and not _is(value, kinds[name]):
            wanted = getattr(kinds[name], "__name__", kinds[name])
            raise TypeError(f"{name} is {value!r}, must be of type {wanted}")
    return kind(**values)


def _restored(value: Any, kind: Any) -> Any:
    choices = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if isinstance(value, str) and Path in choices:
        return Path(value)
    if isinstance(value, dict) and dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return restored(kind, value)
    if isinstance(value, list):
        return tuple(_restored(part, None) for part in value)
    return value


def _is(value: object, kind: Any) -> bool:
    choices, origin = get_args(kind), get_origin(kind)
    if origin is Literal:
        return value in choices
    if origin in (Union, UnionType):
        return any(_is(value, choice) for choice in choices)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = choices[:1] * len(value) if choices[1:] == (...,) else choices
        return len(kinds) == len(value) and all(_is(part, one) for part, one in zip(value, kinds, strict=True))
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)


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
