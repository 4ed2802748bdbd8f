"""Settings of training runs as a plan has them: TOML's values for the fields of TrainConfig. Imports no torch."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from scq.training.config import TrainConfig

_FIELDS = {f.name: f for f in dataclasses.fields(TrainConfig)}

_SET_BY_STUDY = {
    "data": "datasets",
    "latents_offset": "stress",
    "validation_share": "tuning",
    "data_root": "the command line",
    "device": "the command line",
    "out": "the command line",
    "name": "the command line",
}


def train_config(given: Mapping[str, Any], where: str, **place: Any) -> TrainConfig:
    """The configuration with these settings.

    Args:
        given: as read from a plan.
        where: what the plan calls them, for messages.
        **place: further fields, taken as they are.

    Raises:
        ValueError: naming the setting, what it was and what it must be.
    """
    try:
        return TrainConfig(**settings(given, where), **place)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def settings(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same with TOML's types made those of the fields: an integer is a number too.

    Raises:
        ValueError: no such setting, one that the study sets itself, or a value of another type.
    """
    check_keys(where, given, _FIELDS)
    made = {}
    check_free(where, given, _SET_BY_STUDY)
    for name, value in given.items():
        kind = type(_FIELDS[name].default)
        if kind is float and type(value) is int:
            value = float(value)
        if kind is tuple and isinstance(value, list):
            value = tuple(value)
        # A field whose default is None takes what its own check takes.
        if kind is not type(None) and type(value) is not kind:
            raise ValueError(f"{where}.{name} is {value!r}, must be of type {kind.__name__}")
        made[name] = value
    return made


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
            raise ValueError(f"{where} has {key!r}, must be among: {', '.join(sorted(known))}")
    for key in required:
        if key not in given:
            raise ValueError(f"{where} has no {key!r}, which it must have")
