"""What the registry says of a quantizer: one frozen entry each, imported when its quantizer is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scq.quantizers.parts import ASSIGNMENTS, CODEBOOKS, GRADIENTS, LAYER, REGULARIZERS, TERMS, Part, imported

if TYPE_CHECKING:
    from scq.quantizers.base import Quantizer


@dataclass(frozen=True)
class Parts:
    """What a quantizer is made of, by the names of the parts in :mod:`scq.quantizers.parts`.

    Args:
        codebook: how the codewords are held and moved.
        assignment: how a latent finds its code.
        gradient: how a gradient passes.
        regularizers: the terms of the loss.
    """

    codebook: str
    assignment: str
    gradient: str
    regularizers: tuple[str, ...] = ()

    def members(self) -> tuple[Part, Part, Part, tuple[Part, ...]]:
        """Codebook, assignment, gradient and terms of the loss."""
        terms = tuple((TERMS | REGULARIZERS)[name] for name in self.regularizers)
        return CODEBOOKS[self.codebook], ASSIGNMENTS[self.assignment], GRADIENTS[self.gradient], terms


@dataclass(frozen=True)
class QuantizerInfo:
    """One quantizer: what it is, what it is made of, and whom to cite.

    Args:
        name: the name that ``scq.quantizer(name, ...)`` takes.
        title: one line for people.
        parts: what it is made of; None when it has no parts.
        citation: whom to cite.
        defaults: options that it has where nothing else is asked for.
        layer: ``"module:class"`` below ``scq.quantizers``; as default the one that the assignment has. In place of
            parts, of a quantizer of one's own: a function that makes a :class:`scq.quantizers.Quantizer` from the
            sizes, channel_dim and the settings that it takes.
        takes: of a quantizer without parts, the settings of a training run that it takes beside dim; ``codebook_size``
            among them where it has codewords.
    """

    name: str
    title: str
    parts: Parts | None = None
    citation: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    layer: str | Callable[..., Any] = ""
    takes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.parts is None and not self.layer:
            raise ValueError(f"quantizer {self.name!r} has neither parts nor a layer, must have one of them")
        if self.parts is not None and self.takes:
            raise ValueError(f"takes is {self.takes}, must be empty where there are parts, which know what they take")

    @property
    def has_codewords(self) -> bool:
        """Whether there is a codebook whose size can be asked for."""
        return self.parts is not None or "codebook_size" in self.takes

    @property
    def convex(self) -> bool:
        """True when its weights answer the programme of arXiv 2310.03004, Eq. 7, exactly or relaxed."""
        return self.parts is not None and ASSIGNMENTS[self.parts.assignment].convex

    @property
    def settings(self) -> tuple[str, ...]:
        """The fields of :class:`scq.training.TrainConfig` that are options of this quantizer."""
        return self._names("settings")

    @property
    def options(self) -> tuple[str, ...]:
        """What :meth:`make` takes besides the sizes."""
        further = (name for name in self._names("options") if name != "codebook_size")
        return tuple(dict.fromkeys((*self.settings, *further, *LAYER)))

    def _names(self, kind: str) -> tuple[str, ...]:
        if self.parts is None:
            return tuple(name for name in self.takes if name != "codebook_size") if kind == "settings" else ()
        codebook, assignment, _, terms = self.parts.members()
        return tuple(dict.fromkeys(name for part in (assignment, *terms, codebook) for name in getattr(part, kind)))

    def make(self, codebook_size: int, dim: int, **options: Any) -> "Quantizer":
        """The quantizer, with fresh parameters.

        Raises:
            TypeError: an option that it does not take.
            ValueError: an option that its parts refuse, or parts that do not go together, and why.
        """
        options = {**self.defaults, **options}
        if self.parts is None:
            return self._own(codebook_size, dim, options)
        for option, value in options.items():
            if option not in self.options:
                raise TypeError(
                    f"{option} is {value!r}, but {self.name!r} has no use for it; it takes: {', '.join(self.options)}"
                )
        *parts, terms = self.parts.members()
        own = {name: value for name, value in options.items() if name in LAYER}
        options["codebook_size"] = codebook_size
        codebook, assignment, gradient = (part.make(options) for part in parts)
        layer = imported(self.layer or parts[1].layer)  # pyrefly: ignore
        size = codebook_size if codebook.size is None else codebook.size
        return layer.of(size, dim, codebook, assignment, gradient, [term.make(options) for term in terms], **own)

    def _own(self, codebook_size: int, dim: int, options: Mapping[str, Any]) -> "Quantizer":
        from scq.quantizers.base import Quantizer

        maker = imported(self.layer) if isinstance(self.layer, str) else self.layer
        made = maker(codebook_size, dim, **options)
        if not isinstance(made, Quantizer):
            raise TypeError(f"quantizer {self.name!r} is a {type(made).__name__}, must be a scq.quantizers.Quantizer")
        return made
