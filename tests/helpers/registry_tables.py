"""The tables of the documentation that the registries have: what the pages must contain."""

from collections.abc import Sequence

from torch_support import FACTS, NAMES

from scq.cli.listing import PARTS, accuracy, parts, yes
from scq.quantizers.registry import QuantizerInfo
from scq.solvers.registry import BackendInfo
from scq.training.presets import Preset
from scq.validation.common.tables import markdown as table_of


def markdown(infos: Sequence[BackendInfo]) -> str:
    """The table of backends for the documentation, without what differs from machine to machine."""
    headings = (
        "backend",
        "what it is",
        "exact",
        "batched",
        "devices",
        "computes in",
        "gradient",
        "promises",
        "fails",
        "cite",
    )
    rows = (
        (
            f"`{info.name}`",
            info.title,
            yes(info.exact),
            yes(info.batched),
            ", ".join(info.devices),
            ", ".join(info.dtypes),
            ", ".join(info.gradient),
            ", ".join(accuracy(info)),
            "; ".join(f"`{name}`: {reason}" for name, reason in info.limits.items()),
            info.citation,
        )
        for info in infos
    )
    return table_of(headings, rows)


def markdown_of_variants(infos: Sequence[BackendInfo]) -> str:
    """The table of the other ways to run the backends, for the documentation."""
    rows = (
        (f"`{info.name}`", name, ", ".join(f"`{option}={value!r}`" for option, value in options.items()))
        for info in infos
        for name, options in info.variants.items()
    )
    return table_of(("backend", "variant", "arguments of `solvers.solve`"), rows)


def markdown_of_quantizers(infos: Sequence[QuantizerInfo]) -> str:
    """The table of quantizers for the documentation."""
    rows = ((f"`{info.name}`", info.title, *(", ".join(cell) for cell in parts(info)), info.citation) for info in infos)
    return table_of(("quantizer", "what it is", *PARTS, "cite"), rows)


def markdown_of_presets(presets: Sequence[Preset]) -> str:
    """The table of presets for the documentation."""
    rows = (
        (
            f"`{preset.name}`",
            preset.title,
            " ".join(f"{name}={_short(value)}" for name, value in preset.settings.items() if name != "model"),
            preset.source,
        )
        for preset in presets
    )
    return table_of(("preset", "for", "settings", "source"), rows)


def _short(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def markdown_of_torch() -> str:
    """The table of what is supported of torch, for the documentation."""
    rows = ((fact.feature, *(fact.of(name) for name in NAMES), fact.note) for fact in FACTS)
    return table_of(("torch", *(f"`{name}`" for name in NAMES), "to know"), rows)
