"""The options of a command by the parts of its settings, each with what it applies to, as tyro is given them."""

import ast
import dataclasses
import functools
import inspect
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from textwrap import dedent
from typing import Annotated, Any

import tyro

from scq.training.applicability import rules
from scq.training.config import PARTS, CommonConfig
from scq.training.kinds import annotated
from scq.training.settings import hints

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
    fields.append(("imports", _IMPORTS, dataclasses.field(default=())))
    return dataclasses.make_dataclass(config.__name__, fields, namespace={"__doc__": config.__doc__})


def regrouped(kind: type, settings: Any) -> Any:
    """Settings in the groups of another class: as ``kind`` of :func:`grouped` has them for tyro, or the other way.

    Raises:
        TypeError, ValueError: as the class does.
    """
    flat = {"imports": ()} | _flat(settings)

    def made(one: type) -> Any:
        return one(
            **{
                name: made(inner) if dataclasses.is_dataclass(inner) else flat[name]
                for name, inner in hints(one).items()
            }
        )

    return made(kind)


def without_use(arguments: Sequence[str]) -> set[str]:
    """The settings that the help leaves out: of no use to the quantizer, the model and the data that stand beside
    ``--help``."""
    if not {"-h", "--help"} & set(arguments):
        return set()  # what is given all the same is refused with the reason
    options = pairwise(arguments)
    chosen = {name: value for option, value in options if (name := option[2:]) in ("quantizer", "model", "data")}
    try:
        config = CommonConfig(**chosen)  # pyrefly: ignore
    except ValueError:
        return set()  # one that there is not
    return {
        name
        for name, own in rules(CommonConfig).items()
        if any(chosen.keys() & set(rule.given) and not rule.where(config) for rule in own)
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
    parts = [(part, list(hints(part))) for part in PARTS if issubclass(config, part)]
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
