"""Codewords and latents of length 1."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scq.quantizers.codebooks.codebook import Codebook
from scq.quantizers.codebooks.direct import Direct
from scq.quantizers.codebooks.fixed_grid import FixedGrid


class Spherical(Codebook):
    r"""Codewords c / |c| and latents z / |z|: the nearest codeword is the one of the largest cosine.

    What replaces a latent is then a codeword of length 1 or, where codewords are mixed, a point inside the unit ball,
    and the loss compares it with z / |z|: the length of a latent is dropped. A latent shorter than the smallest normal
    number has no direction, and stays what it is.

    Args:
        of: the codebook that holds c, but for a grid; None for a direct one.

    Modules:
        of: that codebook.

    Source: Yu et al., "Vector-quantized Image Modeling with Improved VQGAN", arXiv 2110.04627, section 3.2.
    """

    name: ClassVar[str] = "spherical"

    def __init__(self, of: Codebook | None = None) -> None:
        super().__init__()
        self.of = Direct() if of is None else of
        if not isinstance(self.of, Codebook) or isinstance(self.of, FixedGrid | Spherical):
            raise ValueError(f"of is {of!r}, must be a Codebook whose codewords may have any length")

    @property
    def trained(self) -> bool:  # pyrefly: ignore
        return self.of.trained

    @property
    def inits(self) -> tuple[str, ...]:  # pyrefly: ignore
        return self.of.inits

    @property
    def moves(self) -> bool:
        return self.of.moves

    def install(self, start: Float[Tensor, "K F"]) -> None:
        self.of._install(start)

    def forward(self) -> Float[Tensor, "K F"]:
        return _scaled(self.of())

    def restart(self, codewords: Float[Tensor, "K F"]) -> None:
        self.of.restart(codewords)

    def learned(self) -> list[nn.Parameter]:
        return self.of.learned()

    def enter(self, latents: Float[Tensor, "N F"]) -> Float[Tensor, "N F"]:
        return _scaled(latents)

    def observe(
        self, latents: Float[Tensor, "N F"], indices: Int[Tensor, " N"], valid: Bool[Tensor, " N"] | None
    ) -> None:
        self.of.observe(latents, indices, valid)


def _scaled(rows: Float[Tensor, "N F"]) -> Float[Tensor, "N F"]:
    """Rows of length 1; a row that is 0 or not finite as it is."""
    # The largest entry first: squares of what is finite may not be.
    largest = rows.detach().abs().amax(1, keepdim=True)
    proper = (largest >= torch.finfo(rows.dtype).tiny) & (largest < torch.inf)
    # where on both sides: the derivative of a length that is 0 or NaN is NaN, whatever comes from above.
    within = torch.where(proper, rows, 1.0) / torch.where(proper, largest, 1.0)
    return torch.where(proper, within / torch.linalg.vector_norm(within, dim=1, keepdim=True), rows)
