"""The fields of settings: each becomes what its annotation says, or is refused by name. Imports no torch."""

import dataclasses
import functools
import math
import os
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from scq.solvers.suggestions import among

_CALLED = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    Path: "a path",
    dict: "a table",
    NoneType: "None",
}


_LISTS = {str: "a list of texts", float: "a list of numbers", dict: "a list of tables"}


def conform(config: Any) -> None:
    """Makes every field of a frozen dataclass what its annotation says, in its ``__post_init__``.

    Nothing is guessed: a text becomes a path, a list a tuple, a number of NumPy's one of Python's, and a whole number a
    number; "3" does not become 3.

    Raises:
        TypeError: a field of another kind.
        ValueError: none of its choices, or a number that is not finite. Both name the field, what it was and what it
            must be.
    """
    kinds = _kinds(type(config))
    for field in dataclasses.fields(config):
        object.__setattr__(config, field.name, conforming(field.name, getattr(config, field.name), kinds[field.name]))


_kinds = functools.cache(get_type_hints)


def conforming(name: str, value: Any, kind: Any) -> Any:
    """The value as that kind has it; raises as :func:`conform`.

    Args:
        name: in messages.
        value: anything.
        kind: str, int, float, bool, Path, dict, a dataclass, None, Literal, tuple, or a union of them.
    """
    choices = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for choice in choices:
        found = _converted(value, choice)
        if isinstance(found, float) and not math.isfinite(found):
            raise ValueError(f"{name} is {found}, must be finite")
        if found is not _OTHER:
            return found
    for choice in choices:
        _refuse_unknown(name, value, choice)
    raise TypeError(f"{name} is {value!r}, must be {' or '.join(map(called, choices))}")


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
    if kind in _CALLED:
        return _CALLED[kind]
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
    return value if isinstance(value, kind) else _OTHER


def _tuple(value: Sequence[Any], kinds: tuple[Any, ...]) -> Any:
    wanted = kinds[:1] * len(value) if kinds[1:] == (...,) else kinds
    if len(wanted) != len(value):
        return _OTHER
    found = tuple(map(_converted, value, wanted))
    return _OTHER if any(one is _OTHER for one in found) else found
