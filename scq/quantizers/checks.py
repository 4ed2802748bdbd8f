"""Checks that several constructors share. Imports no torch."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, get_args

from scq.solvers.errors import OnFailure
from scq.solvers.suggestions import among


class Named:
    """A kind of part. One that gives itself no name goes by that of its class.

    Attributes:
        name: in the registry's recipes, in representations and in messages.
    """

    name: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if Named not in cls.__bases__ and not hasattr(cls, "name"):
            cls.name = cls.__name__


def nonnegative(name: str, value: float) -> float:
    """The value as a float.

    Raises:
        TypeError: no number.
        ValueError: negative, infinite or NaN.
    """
    return _number(name, value, ">= 0", lambda v: v >= 0)


def positive(name: str, value: float) -> float:
    """The value as a float.

    Raises:
        TypeError: no number.
        ValueError: zero, negative, infinite or NaN.
    """
    return _number(name, value, "> 0", lambda v: v > 0)


def share(name: str, value: float) -> float:
    """The value as a float.

    Raises:
        TypeError: no number.
        ValueError: not from 0 to 1.
    """
    return _number(name, value, "from 0 to 1", lambda v: 0 <= v <= 1)


def at_least_one(name: str, value: int) -> int:
    """The value.

    Raises:
        TypeError: no integer.
        ValueError: below 1.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}, must be an integer")
    if value < 1:
        raise ValueError(f"{name} is {value}, must be at least 1")
    return value


def known_on_failure(on_failure: OnFailure) -> OnFailure:
    """The value.

    Raises:
        ValueError: it is none of them.
    """
    if on_failure not in get_args(OnFailure):
        raise ValueError(f"on_failure is {on_failure!r}, {among(on_failure, get_args(OnFailure))}")
    return on_failure


def _number(name: str, value: float, must: str, holds: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {value!r}, must be a number")
    if not (math.isfinite(value) and holds(value)):
        raise ValueError(f"{name} is {value}, must be finite and {must}")
    return float(value)
