"""What kind of value each key of a plan has, beside the settings of training runs. Imports no torch."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

PLAN = {
    "title": str,
    "train": dict,
    "arms": dict,
    "datasets": list[str],
    "seeds": int,
    "slices": list[dict],
    "tuning": dict,
    "stress": dict,
    "measures": list[str],
}
SLICE = {"vary": dict, "arms": list[str], "datasets": list[str]}
TUNING = {"learning_rates": list[float], "weight_factors": list[float], "where": str, "hard_arms": list[str]}
STRESS = {"codebook_size": int, "steps": int, "offset": float, "arms": list[str]}

_CALLED = {
    str: "text",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list[str]: "a list of texts",
    list[float]: "a list of numbers",
    list[dict]: "a list of tables",
}


def check_kinds(prefix: str, given: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Looks at the values before anything else does, which would fail in words of its own.

    Args:
        prefix: what stands before the keys in messages.
        given: as read from a plan.
        kinds: one of the tables above.

    Raises:
        ValueError: a value of another kind.
    """
    for key, kind in kinds.items():
        if key in given and not _is(given[key], kind):
            raise ValueError(f"{prefix}{key} is {given[key]!r}, must be {_CALLED[kind]}")


def _is(value: object, kind: Any) -> bool:
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is(item, get_args(kind)[0]) for item in value)
    # By type, because a bool is an int for isinstance; an integer is a number too.
    return type(value) is kind or (kind is float and type(value) is int)
