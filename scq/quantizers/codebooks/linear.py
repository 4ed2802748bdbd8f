"""Codewords that are a learned linear map of other vectors."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scq.quantizers.codebooks.kind import Codebook, parameters_of


@dataclass(frozen=True)
class Linear(Codebook):
    r"""Codewords C W, with C frozen and W learned, so that every gradient moves all codewords.

        C ~ N(0, 1/F) (K, F), never changed;   W (F, F), from U(-1/sqrt(F), 1/sqrt(F)), as torch starts a linear layer

    Without the bias of the published code, which shifts all codewords alike.

    Buffers:
        coordinates: C.

    Source: SimVQ, arXiv 2411.02038, and https://kexue.fm/archives/10519.
    """

    name: ClassVar[str] = "linear"
    computed: ClassVar[bool] = True
    inits: ClassVar[tuple[str, ...]] = ("normal",)

    def install(self, layer: nn.Module, start: Float[Tensor, "K F"]) -> None:
        layer.register_buffer("coordinates", _scaled(start))
        layer.basis = _basis(start.shape[1])

    def codewords(self, layer: nn.Module) -> Float[Tensor, "K F"]:
        return layer.coordinates @ layer.basis

    def parameters(self, layer: nn.Module) -> list[nn.Parameter]:
        return parameters_of(layer, "basis")


@dataclass(frozen=True)
class LinearJoint(Linear):
    """Codewords C W, with C and W both learned; otherwise as :class:`Linear`.

    Source: https://kexue.fm/archives/10519; the ablation of arXiv 2411.02038.
    """

    name: ClassVar[str] = "linear_joint"

    def install(self, layer: nn.Module, start: Float[Tensor, "K F"]) -> None:
        layer.coordinates = nn.Parameter(_scaled(start))
        layer.basis = _basis(start.shape[1])

    def parameters(self, layer: nn.Module) -> list[nn.Parameter]:
        return parameters_of(layer, "coordinates", "basis")


def _scaled(start: Float[Tensor, "K F"]) -> Float[Tensor, "K F"]:
    return start / start.shape[1] ** 0.5


def _basis(dim: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(dim, dim).uniform_(-(dim**-0.5), dim**-0.5))
