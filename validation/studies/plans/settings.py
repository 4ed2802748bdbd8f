"""Settings of training runs as a plan has them: TOML's values for the fields of TrainConfig. Imports no torch."""

from collections.abc import Collection, Mapping
from typing import Any, get_type_hints

from scq.solvers.suggestions import among
from scq.training.config import CommonConfig
from scq.training.kinds import conforming

_KINDS = get_type_hints(CommonConfig)

_SET_BY_STUDY = {
    "data": "datasets",
    "latents_offset": "stress",
    "validation_share": "tuning",
    "data_root": "the command line",
    "device": "the command line",
    "out": "the command line",
    "name": "the command line",
}


def common_config(given: Mapping[str, Any], where: str, **place: Any) -> CommonConfig:
    """The settings that runs have in common.

    Args:
        given: as read from a plan.
        where: what the plan calls them, for messages.
        **place: further fields, taken as they are.

    Raises:
        ValueError: naming the setting, what it was and what it must be.
    """
    try:
        return CommonConfig(**settings(given, where), **place)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def settings(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same with TOML's types made those of the fields: an integer is a number too.

    Raises:
        TypeError, ValueError: no such setting, one that the study sets itself, or a value of another kind.
    """
    check_keys(where, given, _KINDS)
    check_free(where, given, _SET_BY_STUDY)
    return {name: conforming(f"{where}.{name}", value, _KINDS[name]) for name, value in given.items()}


def check_free(where: str, given: Collection[str], taken: Mapping[str, str]) -> None:
    """
    Raises:
        ValueError: a setting that is taken from elsewhere, so that what is given would change nothing.
    """
    for name in given:
        if name in taken:
            raise ValueError(f"{where} has {name}, which is set by {taken[name]}")


def check_keys(where: str, given: Mapping[str, Any], known: Collection[str], required: Collection[str] = ()) -> None:
    """
    Raises:
        ValueError: a key that is not known, or one that is missing.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{where} is {given!r}, must be a table")
    for key in given:
        if key not in known:
            raise ValueError(f"{where} has {key!r}, {among(key, sorted(known), 'must be among')}")
    for key in required:
        if key not in given:
            raise ValueError(f"{where} has no {key!r}, which it must have")
