"""The methods that paired runs compare, in the order in which they are always shown."""

from dataclasses import dataclass

from scq.quantizers import registry


@dataclass(frozen=True)
class MethodInfo:
    """One method: its quantizer in :mod:`scq.quantizers`, and how figures and tables show it.

    The colours are those of Okabe and Ito, which people with any kind of colour vision tell apart; dashes and markers
    say the same once more, for print without colour.
    """

    name: str
    title: str
    quantizer: str
    colour: str
    dashes: str | tuple[int, tuple[float, ...]]
    marker: str

    @property
    def convex(self) -> bool:
        """Whether it is soft convex quantization, which has a gap and residuals."""
        return registry.get(self.quantizer).convex


METHODS = {
    method.name: method
    for method in (
        MethodInfo("exact", "Exact SCQ", "scq", "#0072B2", "solid", "o"),
        MethodInfo("relaxed", "Relaxed SCQ", "scq_relaxed", "#D55E00", (0, (5.0, 1.5)), "s"),
        MethodInfo("vq", "VQ", "vq", "#009E73", (0, (1.2, 1.2)), "^"),
        MethodInfo("none", "Unquantised", "none", "#5A5A5A", (0, (5.0, 1.5, 1.2, 1.5)), "D"),
    )
}
