"""Which settings a training run has no use for, so that no value is given that changes nothing. Imports no torch.

What a quantizer takes is said once, by its entry in the registry; here is the rest.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scq.data import registry as datasets
from scq.quantizers import registry as quantizers

if TYPE_CHECKING:
    from scq.training.config import CommonConfig

RELAXATION = "relaxed"
"""The backend that takes relaxation_steps and relaxation_projection."""

_SETTLED = {"anneal_steps": "anneal_share"}
"""What a quantizer takes, and the setting that says it."""


Rules = Mapping[str, Callable[[Any], str]]
"""By setting: what it applies to, in words, where it would change nothing; and nothing where it applies."""


def ignored(config: Any, rules: Rules) -> dict[str, str]:
    """The settings that are not at their defaults and would change nothing, and what each of them applies to."""
    given = (field for field in dataclasses.fields(config) if getattr(config, field.name) != field.default)
    return {field.name: why for field in given if field.name in rules and (why := rules[field.name](config))}


def refuse_ignored(config: Any, rules: Rules) -> None:
    """
    Raises:
        ValueError: a setting that would change nothing; naming it, what it was and what it applies to.
    """
    for name, to in ignored(config, rules).items():
        value = getattr(config, name)
        raise ValueError(f"{name} is {str(value) if isinstance(value, Path) else value!r}, but applies {to}")


def _of_the_quantizer(name: str) -> Callable[["CommonConfig"], str]:
    def why(config: "CommonConfig") -> str:
        if name in _taken(config):
            return ""
        takers = [entry.name for entry in quantizers.entries() if name in _names(entry)]
        return f"to {_quoted(takers)} alone (quantizer is {config.quantizer!r})"

    return why


def _relaxation(name: str) -> Callable[["CommonConfig"], str]:
    def why(config: "CommonConfig") -> str:
        entry = quantizers.get(config.quantizer)
        used = name in entry.settings or ("backend" in entry.settings and config.backend == RELAXATION)
        if name == "relaxation_steps" and config.relaxation_projection == "exact" and (used or entry.convex):
            return "to relaxation_projection 'alternating' alone (relaxation_projection is 'exact')"
        if used or (entry.convex and config.gap):
            return ""
        return (
            f"to quantizer 'scq_relaxed', to backend 'relaxed', and where gap is measured (quantizer is "
            f"{config.quantizer!r}, backend is {config.backend!r}, gap is {config.gap})"
        )

    return why


def _backend(config: "CommonConfig") -> str:
    entry = quantizers.get(config.quantizer)
    if "backend" in entry.settings or (entry.convex and config.gap):
        return ""
    return (
        "to quantizers that solve exactly, and where the gap of a convex one is measured (quantizer is "
        f"{config.quantizer!r}, gap is {config.gap})"
    )


def _convex(config: "CommonConfig") -> str:
    if quantizers.get(config.quantizer).convex:
        return ""
    takers = [entry.name for entry in quantizers.entries() if entry.convex]
    return f"to {_quoted(takers)} alone (quantizer is {config.quantizer!r})"


def _codebook(config: "CommonConfig") -> str:
    has_one = quantizers.get(config.quantizer).parts is not None
    return "" if has_one else f"to quantizers with codewords (quantizer is {config.quantizer!r})"


def _blocks(config: "CommonConfig") -> str:
    return "" if config.residual_layers else "to residual blocks (residual_layers is 0)"


def _root(config: "CommonConfig") -> str:
    return (
        f"to data in a folder (data is {config.data!r}, inside installed packages)" * datasets.get(config.data).packaged
    )


def _names(entry: quantizers.QuantizerInfo) -> set[str]:
    return {_SETTLED.get(name, name) for name in entry.settings}


def _taken(config: "CommonConfig") -> set[str]:
    return _names(quantizers.get(config.quantizer))


def _quoted(names: list[str]) -> str:
    return f"quantizer {', '.join(map(repr, names))}"


def _all_settings() -> set[str]:
    """What any quantizer takes, by itself or put together from parts."""
    return {_SETTLED.get(name, name) for name in quantizers.settings()}


TRAINING: Rules = {name: _of_the_quantizer(name) for name in _all_settings()} | {
    "relaxation_steps": _relaxation("relaxation_steps"),
    "relaxation_projection": _relaxation("relaxation_projection"),
    "backend": _backend,
    "dump_every": _convex,
    "codebook_size": _codebook,
    "residual_width": _blocks,
    "data_root": _root,
}
"""Of :class:`scq.training.TrainConfig`."""
