"""What kind of value each key of a plan has, beside the settings of training runs. Imports no torch."""

from collections.abc import Mapping
from typing import Any

from scq.training.kinds import conforming

PLAN = {
    "title": str,
    "train": dict,
    "arms": dict,
    "datasets": tuple[str, ...],
    "seeds": int,
    "slices": tuple[dict, ...],
    "tuning": dict,
    "stress": dict,
    "measures": tuple[str, ...],
}
SLICE = {"vary": dict, "arms": tuple[str, ...], "datasets": tuple[str, ...]}
TUNING = {
    "learning_rates": tuple[float, ...],
    "weight_factors": tuple[float, ...],
    "where": str,
    "hard_arms": tuple[str, ...],
}
STRESS = {"codebook_size": int, "steps": int, "offset": float, "arms": tuple[str, ...]}


def check_kinds(prefix: str, given: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Looks at the values before anything else does, which would fail in words of its own.

    Args:
        prefix: what stands before the keys in messages.
        given: as read from a plan.
        kinds: one of the tables above.

    Raises:
        TypeError, ValueError: a value of another kind.
    """
    for key, kind in kinds.items():
        if key in given:
            conforming(f"{prefix}{key}", given[key], kind)
