"""Values against types: each becomes what an annotation says, or is refused by name. Imports no torch."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from scq.solvers.suggestions import among

_CALLED = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    Path: "a path",
    dict: "a table",
    Mapping: "a table",
    NoneType: "None",
}


_LISTS = {str: "a list of texts", float: "a list of numbers", dict: "a list of tables"}


@dataclass(frozen=True)
class Within:
    """The range of a number, as a part of its annotation.

    Args:
        must: what the number must be, in words.
        holds: whether it is.
    """

    must: str
    holds: Callable[[Any], bool]


Count = Annotated[int, Within("at least 1", lambda value: value >= 1)]
Whole = Annotated[int, Within(">= 0", lambda value: value >= 0)]
Weight = Annotated[float, Within(">= 0", lambda value: value >= 0)]
Positive = Annotated[float, Within("finite and > 0", lambda value: value > 0)]
Share = Annotated[float, Within("from 0 to 1", lambda value: 0 <= value <= 1)]


def conforming(name: str, value: Any, kind: Any) -> Any:
    """The value as that kind has it.

    Nothing is guessed: a text becomes a path, a list a tuple, a number of NumPy's one of Python's, and a whole number a
    number; "3" does not become 3.

    Args:
        name: in messages.
        value: anything.
        kind: str, int, float, bool, Path, dict, a dataclass, None, Literal, tuple, a union of them, or one of them
            annotated with the range of a number.

    Raises:
        TypeError: a value of another kind.
        ValueError: none of its choices, or a number that is not finite or out of range. Both name what it was and what
            it must be.
    """
    kind, ranges = annotated(kind)
    choices = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for choice, within in map(annotated, choices):
        found = _converted(value, choice)
        if isinstance(found, float) and not math.isfinite(found):
            raise ValueError(f"{name} is {found}, must be finite")
        if found is not _OTHER:
            for one in (*ranges, *within):
                if isinstance(one, Within) and not one.holds(found):
                    raise ValueError(f"{name} is {found}, must be {one.must}" + ", or None" * (NoneType in choices))
            return found
    for choice in choices:
        _refuse_unknown(name, value, choice)
    raise TypeError(f"{name} is {value!r}, must be {' or '.join(map(called, choices))}")


def annotated(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A kind without what it is annotated with, and that."""
    return (kind.__origin__, kind.__metadata__) if get_origin(kind) is Annotated else (kind, ())


def _refuse_unknown(name: str, value: Any, kind: Any) -> None:
    """A text that is none of the choices there are, alone or in a list."""
    if get_origin(kind) is Literal and isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, {among(value, get_args(kind))}")
    if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        inner = get_args(kind)[0]
        for part in value:
            if get_origin(inner) is Literal and isinstance(part, str) and part not in get_args(inner):
                raise ValueError(f"{name} has {part!r}, {among(part, get_args(inner), 'must be among')}")


def called(kind: Any) -> str:
    """A kind in words."""
    kind, _ = annotated(kind)
    if (get_origin(kind) or kind) in _CALLED:
        return _CALLED[get_origin(kind) or kind]
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return f"one of: {', '.join(parts)}"
    if get_origin(kind) is tuple:
        if parts[1:] != (...,):
            return f"{len(parts)} values"
        return _LISTS.get(parts[0], f"a list, each {called(parts[0])}")
    return f"a {kind.__name__}"


_OTHER = object()
"""In place of a value that is of another kind."""


def _converted(value: Any, kind: Any) -> Any:
    """The value as a kind that is no union."""
    if get_origin(kind) is tuple:
        return _tuple(value, get_args(kind)) if isinstance(value, (list, tuple)) else _OTHER
    if get_origin(kind) is Literal:
        return str(value) if isinstance(value, str) and value in get_args(kind) else _OTHER
    if kind in (str, Path) and isinstance(value, (str, os.PathLike)):
        return kind(value)
    if kind is bool and type(value).__module__ == "numpy" and value.dtype == bool and value.ndim == 0:
        return bool(value)
    if kind in (int, float):
        fits = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
        return kind(value) if fits else _OTHER
    return value if isinstance(value, get_origin(kind) or kind) else _OTHER


def _tuple(value: Sequence[Any], kinds: tuple[Any, ...]) -> Any:
    wanted = kinds[:1] * len(value) if kinds[1:] == (...,) else kinds
    if len(wanted) != len(value):
        return _OTHER
    found = tuple(map(_converted, value, wanted))
    return _OTHER if any(one is _OTHER for one in found) else found
