"""The options of a command by the parts of its settings, each with what it applies to, as tyro is given them."""

import ast
import dataclasses
import functools
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any

import tyro

from scq.data import registry as datasets
from scq.models import registry as models
from scq.training.applicability import rules
from scq.training.config import CommonConfig
from scq.training.kinds import annotated
from scq.training.settings import Settings, hints

_IMPORTS = tyro.conf.UseAppendAction[
    Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            name="import",
            metavar="MODULE",
            help="Imports a module of yours first, which registers backends, quantizers, data sets or models; may be "
            "given several times.",
        ),
    ]
]
"""Of every command; looked at before the others, which may name what comes of it."""


_CONFIG = Annotated[
    Path | None,
    tyro.conf.arg(
        name="config",
        help="TOML file with settings by their names, as the run.toml of every run; options beside it go first.",
    ),
]
"""Of every command that makes a folder; read before the others, whose defaults it has."""


def grouped(config: type, hidden: Collection[str] = ()) -> type:
    """A dataclass for tyro with the options of ``config``: those of the parts of a training run in a group each.

    Args:
        config: a settings class.
        hidden: settings that the help leaves out.
    """
    fields = []
    for part, owner, names in _groups(config):
        own = [_option(owner, name, hidden) for name in names]
        if part is None:
            fields += own
        else:
            group = dataclasses.make_dataclass(part.__name__, own, namespace={"__doc__": part.__doc__})
            fields.append((_title(part), group, dataclasses.field(default_factory=group)))
    if takes_file(config):
        fields.append(("settings_file", _CONFIG, dataclasses.field(default=None)))
    fields.append(("imports", _IMPORTS, dataclasses.field(default=())))
    return dataclasses.make_dataclass(config.__name__, fields, namespace={"__doc__": config.__doc__})


def takes_file(config: type) -> bool:
    """Whether the settings may come from a file."""
    return issubclass(config, Settings) and "out" in settings_of(config)


def settings_of(config: type) -> dict[str, Any]:
    """The kinds of all settings by their names, wherever in the config they are."""
    return {name: hints(owner)[name] for _, owner, names in _groups(config) for name in names}


def regrouped(kind: type, settings: Any, **others: Any) -> Any:
    """Settings in the groups of another class: as ``kind`` of :func:`grouped` has them for tyro, or the other way.

    Args:
        kind: the class.
        settings: of the other class.
        **others: settings that are others than there.

    Raises:
        TypeError, ValueError: as the class does.
    """
    flat = {"imports": (), "settings_file": None} | _flat(settings) | others

    def made(one: type) -> Any:
        return one(
            **{
                name: made(inner) if dataclasses.is_dataclass(inner) else flat[name]
                for name, inner in hints(one).items()
            }
        )

    return made(kind)


def without_use(chosen: Mapping[str, Any], fixed: Mapping[str, Sequence[Any]]) -> set[str]:
    """The settings of a training run that the help leaves out: of no use to what was chosen beside it, or set by the
    command.

    Args:
        chosen: settings by name, as far as they decide what others apply to.
        fixed: settings that the command sets itself, each to these values in turn.
    """
    kinds = [entry.kind for entry in models.entries() if entry.name == chosen.get("model")]
    fitting = [{"data": entry.name} for entry in datasets.datasets() if entry.kind in kinds]
    try:
        configs = [
            CommonConfig(**(fitting or [{}])[0] | dict(chosen) | dict(zip(fixed, values, strict=True)))
            for values in product(*fixed.values())
        ]
    except (TypeError, ValueError):
        return set(fixed)  # what is given is refused with the reason
    known = {*chosen, *fixed}
    return {*fixed} | {
        name
        for name, own in rules(CommonConfig).items()
        if all(any(known & {*rule.given} and not rule.where(config) for rule in own) for config in configs)
    }


def options_of(config: type) -> list[str]:
    """The options of a command, as they are typed."""
    found = []
    for _, owner, names in _groups(config):
        for name in names:
            option = name.replace("_", "-")
            found += [f"--{option}", f"--no-{option}"] if annotated(hints(owner)[name])[0] is bool else [f"--{option}"]
    return found


def _groups(config: type) -> Iterator[tuple[type | None, type, list[str]]]:
    """Part, the class that has its settings, and their names; None for those that are in no part."""
    left = dict(hints(config))
    # A dataclass has the fields of its last base first; what a config is made of is called so.
    made_of = (one for one in reversed(config.__mro__) if one.__name__.endswith("Settings") and one is not Settings)
    parts = [(part, list(hints(part))) for part in made_of]
    for _, names in parts:
        for name in names:
            del left[name]
    nested = [left.pop(name) for name in list(left) if dataclasses.is_dataclass(left[name])]
    yield None, config, list(left)
    for part, names in parts:
        yield part, config, names
    for kind in nested:
        yield from _groups(kind)


def _title(part: type) -> str:
    return part.__name__.removesuffix("Settings").lower()


def _option(owner: type, name: str, hidden: Collection[str]) -> Any:
    says = [_documented(owner)[name], *(f"Applies {rule.to}." for rule in rules(owner).get(name, ()))]
    hint = hints(owner)[name]
    kind: Any = Annotated[hint, tyro.conf.arg(help=" ".join(says))]
    if name in hidden:
        kind = tyro.conf.Suppress[kind]
    field = owner.__dataclass_fields__[name]  # pyrefly: ignore
    return (
        (name, kind) if field.default is dataclasses.MISSING else (name, kind, dataclasses.field(default=field.default))
    )


def _flat(settings: Any) -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        found |= _flat(value) if dataclasses.is_dataclass(value) else {field.name: value}
    return found


@functools.cache
def _documented(kind: type) -> dict[str, str]:
    """The docstrings of the fields of a class and of those that it has them from."""
    found = {}
    for one in reversed(kind.__mro__[:-1]):
        body = ast.parse(dedent(inspect.getsource(one))).body[0].body  # pyrefly: ignore
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[field.target.id] = " ".join(text.value.value.split())  # pyrefly: ignore
    return found
