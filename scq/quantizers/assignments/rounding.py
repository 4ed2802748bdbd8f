"""Rounding to a grid, channel by channel."""

import itertools
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scq.quantizers.assignments.assignment import Assigned, Assignment
from scq.quantizers.codebooks.fixed_grid import check_levels, levels_of

_MARGIN = 1e-3
"""The bounded channel reaches beyond the outermost level by this share, so that the level can be reached."""


class Rounding(Assignment):
    r"""Each channel is bounded smoothly and rounded to one of its L levels.

        h = (L - 1)(1 + 1e-3) / 2,   o = 1/2 for even L, 0 for odd,   f(z) = tanh(z + atanh(o / h)) h - o
        codeword = round(f(z)) / floor(L / 2),   source = f(z) / floor(L / 2)

    Args:
        levels: L of each channel, those of the grid.

    Source: arXiv 2309.15505, section 3 and appendix A.1.
    """

    name: ClassVar[str] = "rounding"

    counts: Tensor
    place_values: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = check_levels(levels)
        # Not saved: the levels are settings, and the rest follows from them.
        self.register_buffer("counts", torch.tensor(self.levels), persistent=False)
        self.register_buffer("place_values", self.counts.clone(), persistent=False)
        self.derive(self.counts.device)

    @classmethod
    def near(cls, codebook_size: int, levels: tuple[int, ...] | None = None) -> "Rounding":
        """To the grid that :meth:`scq.quantizers.codebooks.FixedGrid.near` gives."""
        return cls(levels_of(codebook_size, levels))

    def derive(self, device: torch.device) -> None:
        self.counts = torch.tensor(self.levels, device=device)
        values = [*itertools.accumulate((1, *self.levels[:-1]), int.__mul__)]
        self.place_values = torch.tensor(values, device=device)

    def forward(
        self, latents: Float[Tensor, "N D"], codebook: Float[Tensor, "K F"], valid: Bool[Tensor, " N"] | None = None
    ) -> Assigned:
        L = self.counts.to(latents.dtype)
        half = (L - 1) * (1 + _MARGIN) / 2
        offset = (1 - L % 2) / 2
        bounded = torch.tanh(latents + torch.atanh(offset / half)) * half - offset
        rounded = bounded.detach().round()
        widths = self.counts // 2
        # NaN stays in what is quantized, for a loss scaler to see; a code must be a number all the same.
        indices = ((rounded.nan_to_num(0.0).long() + widths) * self.place_values).sum(1)
        return Assigned(indices, rounded / widths, source=bounded / widths)

    def extra_repr(self) -> str:
        return f"levels={self.levels}"
