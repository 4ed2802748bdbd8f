"""Codewords whose channels have a learned scale in common."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scq.quantizers.codebooks.kind import Codebook, parameters_of, put


@dataclass(frozen=True)
class Diagonal(Codebook):
    """Codewords C diag(w), with C (K, F) and w (F,) both learned, w from ones: between a direct codebook and a linear
    one.

    Source: https://kexue.fm/archives/10519.
    """

    name: ClassVar[str] = "diagonal"
    computed: ClassVar[bool] = True

    def install(self, layer: nn.Module, start: Float[Tensor, "K F"]) -> None:
        layer.coordinates = nn.Parameter(start)
        layer.scale = nn.Parameter(torch.ones(start.shape[1]))

    def codewords(self, layer: nn.Module) -> Float[Tensor, "K F"]:
        return layer.coordinates * layer.scale

    def parameters(self, layer: nn.Module) -> list[nn.Parameter]:
        return parameters_of(layer, "coordinates", "scale")

    @torch.no_grad()
    def restart(self, layer: nn.Module, codewords: Float[Tensor, "K F"]) -> None:
        put(layer, "coordinates", codewords)
        put(layer, "scale", torch.ones_like(layer.scale))
