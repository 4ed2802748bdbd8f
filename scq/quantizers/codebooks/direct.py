"""Codewords that are parameters."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from scq.quantizers.codebooks.kind import Codebook


@dataclass(frozen=True)
class Direct(Codebook):
    """The codewords are the rows of a parameter, ``codebook`` (K, F), and move by their gradient alone.

    Source: arXiv 1711.00937.
    """

    name: ClassVar[str] = "direct"

    def install(self, layer: nn.Module, start: Float[Tensor, "K F"]) -> None:
        layer.codebook = nn.Parameter(start)
