"""Settings read back from JSON as the dataclass that they were, and compared with those that are given now."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from scq.solvers.suggestions import did_you_mean
from scq.training.kinds import conforming


def restored(kind: type, content: Mapping[str, Any]) -> Any:
    """The settings ``kind`` with what :func:`dataclasses.asdict` and JSON made of it: paths are texts there, and
    tuples lists. A field that is not there has its default: settings of before it existed did what that does.

    Raises:
        ValueError, TypeError: a setting that the class does not have, or whose value is of another kind.
    """
    kinds = get_type_hints(kind)
    nested = {name: one for name, one in kinds.items() if dataclasses.is_dataclass(one)}
    for name in content:
        if name not in kinds:
            raise TypeError(f"{name} is no setting of it{did_you_mean(name, kinds)}")
    values = {name: restored(nested[name], value) if name in nested else value for name, value in content.items()}
    return kind(**{name: conforming(name, value, kinds[name]) for name, value in values.items()})


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
