"""Codewords whose channels have a learned scale in common."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scq.quantizers.codebooks.codebook import Codebook


class Diagonal(Codebook):
    """Codewords C diag(w), with C (K, F) and w (F,) both learned, w from ones: between a direct codebook and a linear
    one.

    Learned:
        coordinates: C.  scale: w.

    Source: https://kexue.fm/archives/10519.
    """

    name: ClassVar[str] = "diagonal"

    def install(self, start: Float[Tensor, "K F"]) -> None:
        self.coordinates = nn.Parameter(start)
        self.scale = nn.Parameter(torch.ones(start.shape[1]))

    def forward(self) -> Float[Tensor, "K F"]:
        return self.coordinates * self.scale

    def restart(self, codewords: Float[Tensor, "K F"]) -> None:
        self._put("coordinates", codewords)
        self._put("scale", torch.ones_like(self.scale))
