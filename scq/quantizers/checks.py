"""Checks that several constructors share."""

import math
from collections.abc import Callable


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


def _number(name: str, value: float, must: str, holds: Callable[[float], bool]) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {value!r}, must be a number")
    if not (math.isfinite(value) and holds(value)):
        raise ValueError(f"{name} is {value}, must be finite and {must}")
    return float(value)
