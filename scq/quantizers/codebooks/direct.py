"""Codewords that are parameters."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from scq.quantizers.codebooks.codebook import Codebook


class Direct(Codebook):
    """The codewords are the rows of a parameter, and move by their gradient alone.

    Learned:
        codewords: (K, F).

    Source: arXiv 1711.00937.
    """

    name: ClassVar[str] = "direct"

    def install(self, start: Float[Tensor, "K F"]) -> None:
        self.codewords = nn.Parameter(start)

    def forward(self) -> Float[Tensor, "K F"]:
        return self.codewords
