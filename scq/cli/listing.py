"""The tables of ``scq backends`` and ``scq quantizers``, from the registries' entries alone."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.console import Console
from rich.text import Text

from scq.quantizers.registry import QuantizerInfo
from scq.solvers.registry import BackendInfo
from scq.training.terminal_table import terminal_table


def show(infos: Sequence[BackendInfo], console: Console, broken: Mapping[str, str] = MappingProxyType({})) -> None:
    """Prints what each backend can do, what each is, and how to install what is missing.

    Args:
        infos: the entries.
        console: where.
        broken: what is wrong with those that are installed and do not work.
    """
    headings = ("backend", "exact", "batched", "devices", "dtypes", "gradient", "accuracy", "here")
    rows = [
        (
            info.name,
            yes(info.exact),
            yes(info.batched),
            " ".join(info.devices),
            " ".join(info.dtypes),
            " ".join(info.gradient),
            " ".join(accuracy(info)),
            "broken" if info.name in broken else yes(info.available),
        )
        for info in infos
    ]
    console.print(terminal_table(console.width, headings, rows))
    _print_titles(infos, console)
    console.print(
        "\naccuracy: the relative KKT residual promised for float32 and for float64 input; a relaxation promises none."
        "\ndtypes: those it computes in; an input of another one is solved in a wider one and cast back."
        "\ngradient: the first is the default.",
        highlight=False,
    )
    others = [f"{info.name} ({'; '.join(info.variants)})" for info in infos if info.variants]
    if others:
        console.print(f"scq compare also runs, as their own users do: {', '.join(others)}.", highlight=False)
    missing = [info for info in infos if not info.available]
    for info in missing:
        # Not wrapped: the command in it is there to be copied.
        console.print(Text(f"{info.name} is missing: {info.why_not}", "yellow"), soft_wrap=True)
    for name, why in broken.items():
        console.print(Text(f"{name} is broken: {why}", "yellow"), soft_wrap=True)
    usable = len(infos) - len(missing) - len(broken)
    console.print(f"{usable} of {len(infos)} backends can be used here.", highlight=False)


def show_quantizers(infos: Sequence[QuantizerInfo], console: Console) -> None:
    """Prints what each quantizer is made of, and what each is."""
    rows = [(info.name, *(" ".join(cell) for cell in parts(info))) for info in infos]
    console.print(terminal_table(console.width, ("quantizer", *PARTS), rows))
    _print_titles(infos, console)


PARTS = ("codebook", "assignment", "gradient", "regularizers")


def parts(info: QuantizerInfo) -> list[Sequence[str]]:
    """What a quantizer is made of, by PARTS."""
    made = info.parts
    return [(made.codebook,), (made.assignment,), (made.gradient,), made.regularizers] if made else [()] * 4


def _print_titles(infos: Sequence[BackendInfo] | Sequence[QuantizerInfo], console: Console) -> None:
    console.print()
    console.print(terminal_table(console.width, (), [(info.name, info.title) for info in infos]))


def yes(value: bool) -> str:
    """A truth in words."""
    return "yes" if value else "no"


def accuracy(info: BackendInfo) -> list[str]:
    """What a backend promises for float32 and float64 input."""
    promised = [info.accuracy[dtype] for dtype in ("float32", "float64") if dtype in info.accuracy]
    return [f"{value:.0e}".replace("e-0", "e-") for value in promised] or ["none"]
