"""Settings of training runs as a plan has them: TOML's values for the fields of TrainConfig. Imports no torch."""

from collections.abc import Collection, Mapping
from typing import Any

from scq.training.config import CommonConfig
from scq.training.settings import values

_SET_BY_STUDY = {
    "data": "datasets",
    "latents_offset": "stress",
    "validation_share": "tuning",
    "data_root": "the command line",
    "device": "the command line",
    "out": "the command line",
    "name": "the command line",
}


def common_config(given: Mapping[str, Any], where: str, **further: Any) -> CommonConfig:
    """The settings that runs have in common.

    Args:
        given: as read from a plan.
        where: what the plan calls them, for messages.
        **further: further fields, taken as they are.

    Raises:
        ValueError: naming the setting, what it was and what it must be.
    """
    try:
        return CommonConfig(**settings(given, where), **further)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def settings(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same with TOML's types made those of the fields: an integer is a number too.

    Raises:
        TypeError, ValueError: no such setting, one that the study sets itself, or a value of another kind.
    """
    checked = values(CommonConfig, given, where)
    check_free(where, checked, _SET_BY_STUDY)
    return checked


def check_free(where: str, given: Collection[str], taken: Mapping[str, str]) -> None:
    """
    Raises:
        ValueError: a setting that is taken from elsewhere, so that what is given would change nothing.
    """
    for name in given:
        if name in taken:
            raise ValueError(f"{where} has {name}, which is set by {taken[name]}")
