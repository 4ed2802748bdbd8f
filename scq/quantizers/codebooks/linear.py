"""Codewords that are a learned linear map of other vectors."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scq.quantizers.codebooks.codebook import Codebook


class Linear(Codebook):
    r"""Codewords C W, with C frozen and W learned, so that every gradient moves all codewords.

        C ~ N(0, 1/F) (K, F), never changed;   W (F, F), from U(-1/sqrt(F), 1/sqrt(F)), as torch starts a linear layer

    Without the bias of the published code, which shifts all codewords alike.

    Learned:
        basis: W.

    Buffers:
        coordinates: C.

    Source: SimVQ, arXiv 2411.02038, and https://kexue.fm/archives/10519.
    """

    name: ClassVar[str] = "linear"
    inits: ClassVar[tuple[str, ...]] = ("normal",)

    def install(self, start: Float[Tensor, "K F"]) -> None:
        self.register_buffer("coordinates", start / start.shape[1] ** 0.5)
        self.basis = _basis(start.shape[1])

    def forward(self) -> Float[Tensor, "K F"]:
        return self.coordinates @ self.basis


class LinearJoint(Linear):
    """Codewords C W, with C and W both learned; otherwise as :class:`Linear`.

    Source: https://kexue.fm/archives/10519; the ablation of arXiv 2411.02038.
    """

    name: ClassVar[str] = "linear_joint"

    def install(self, start: Float[Tensor, "K F"]) -> None:
        self.coordinates = nn.Parameter(start / start.shape[1] ** 0.5)
        self.basis = _basis(start.shape[1])


def _basis(dim: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(dim, dim).uniform_(-(dim**-0.5), dim**-0.5))
