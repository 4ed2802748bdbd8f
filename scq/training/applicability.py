"""Which settings have no use, so that no value is given that changes nothing. Imports no torch.

What a quantizer, a model or a data set takes is said once, by its entry in the registry; of every other setting its own
annotation says it.
"""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from scq.data import registry as datasets
from scq.models import registry as models
from scq.quantizers import registry as quantizers
from scq.solvers.suggestions import among
from scq.training.kinds import annotated
from scq.training.settings import hints

RELAXATION = "relaxed"
"""The backend that takes relaxation_steps and relaxation_projection."""

_SETTLED = {"anneal_steps": "anneal_share"}
"""What a quantizer takes, and the setting that says it."""


class Applies:
    """What a setting applies to, as a part of its annotation.

    Args:
        to: what, in words that stand after "applies".
        where: whether it does, of the settings as a whole.
        *given: the names of the settings that it depends on.
    """

    def __init__(self, to: str, where: Callable[[Any], bool], *given: str) -> None:
        self.to, self.where, self.given = to, where, given


def rules(kind: type) -> Mapping[str, tuple[Applies, ...]]:
    """What the settings of a class apply to, by name; those that apply everywhere are not there."""
    return _rules(kind, *(registry.REGISTRY.revision for registry in (quantizers, models, datasets)))


@functools.cache
def _rules(kind: type, *revisions: int) -> Mapping[str, tuple[Applies, ...]]:
    taken_by_some = {_SETTLED.get(name, name) for name in quantizers.settings()} if "quantizer" in hints(kind) else ()
    of_models = {name for entry in models.entries() for name in entry.taken} if "model" in hints(kind) else ()
    of_data = {name for entry in datasets.datasets() for name in entry.settings} if "data" in hints(kind) else ()
    found = {}
    for name, hint in hints(kind).items():
        own = tuple(one for one in annotated(hint)[1] if isinstance(one, Applies))
        if name in taken_by_some and not own:
            own = (_of_quantizers(name),)
        if name in of_models:
            own = (_of_models(name), *own)
        if name in of_data:
            own = (_of_data(name), *own)
        if own:
            found[name] = own
    return found


def ignored(config: Any) -> dict[str, str]:
    """The settings that are not at their defaults and would change nothing, and what each of them applies to."""
    found = {}
    for field in dataclasses.fields(config):
        own = rules(type(config)).get(field.name, ()) if getattr(config, field.name) != field.default else ()
        for rule in own:
            if not rule.where(config):
                given = ", ".join(f"{name} is {getattr(config, name)!r}" for name in rule.given)
                found.setdefault(field.name, f"{rule.to} ({given})")
    return found


def refuse_ignored(config: Any) -> None:
    """
    Raises:
        ValueError: a setting that would change nothing; naming it, what it was and what it applies to.
    """
    for name, to in ignored(config).items():
        value = getattr(config, name)
        raise ValueError(f"{name} is {str(value) if isinstance(value, Path) else value!r}, but applies {to}")


def taken(quantizer: str) -> set[str]:
    """The settings that a quantizer takes by its entry."""
    return {_SETTLED.get(name, name) for name in quantizers.get(quantizer).settings}


def check_taken(kind: type, what: str, names: Collection[str]) -> None:
    """
    Raises:
        ValueError: an entry, perhaps of somebody else, takes what is no setting of that class.
    """
    for name in names:
        if _SETTLED.get(name, name) not in hints(kind):
            raise ValueError(f"{what} takes {name!r}, {among(name, sorted(hints(kind)), 'must take settings among')}")


def _of_quantizers(name: str) -> Applies:
    takers = ", ".join(repr(entry.name) for entry in quantizers.entries() if name in taken(entry.name))
    return Applies(f"to quantizer {takers} alone", lambda config: name in taken(config.quantizer), "quantizer")


def in_a_folder(config: Any) -> bool:
    return not datasets.get(config.data).packaged


def has_codebook(config: Any) -> bool:
    return quantizers.get(config.quantizer).has_codewords


def convex(config: Any) -> bool:
    return quantizers.get(config.quantizer).convex


def solves(config: Any) -> bool:
    return "backend" in quantizers.get(config.quantizer).settings or (config.gap and convex(config))


def relaxes(config: Any) -> bool:
    taken = quantizers.get(config.quantizer).settings
    relaxed = "relaxation_steps" in taken or ("backend" in taken and config.backend == RELAXATION)
    return relaxed or (config.gap and convex(config))


RELAXED = Applies(
    "to quantizer 'scq_relaxed', to backend 'relaxed', and where gap is measured",
    relaxes,
    "quantizer",
    "backend",
    "gap",
)


def _of_models(name: str) -> Applies:
    takers = ", ".join(repr(entry.name) for entry in models.entries() if name in entry.taken)
    return Applies(f"to model {takers} alone", lambda config: name in models.get(config.model).taken, "model")


def _of_data(name: str) -> Applies:
    takers = ", ".join(repr(entry.name) for entry in datasets.datasets() if name in entry.settings)
    return Applies(f"to data {takers} alone", lambda config: name in datasets.get(config.data).settings, "data")
