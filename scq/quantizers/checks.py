"""Checks that several constructors share."""

import math


def nonnegative(name: str, value: float) -> float:
    """The value as a float.

    Raises:
        TypeError: no number.
        ValueError: negative, infinite or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {value!r}, must be a number")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value}, must be finite and >= 0")
    return float(value)
