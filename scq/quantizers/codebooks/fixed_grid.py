"""The grid of finite scalar quantization: codewords that nobody learns."""

import itertools
import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from scq.quantizers.checks import at_least_one
from scq.quantizers.codebooks.codebook import Codebook

_PUBLISHED = {
    2**8: (8, 6, 5),
    2**10: (8, 5, 5, 5),
    2**12: (7, 5, 5, 5, 5),
    2**14: (8, 8, 8, 6, 5),
    2**16: (8, 8, 8, 5, 5, 5),
}
_FEW, _GOOD, _MANY = 3, 5, 8
"""Levels of a channel. Two would leave the bounding function no slope at 0."""


class FixedGrid(Codebook):
    """The product of d sets of evenly spaced levels; channel i has L_i of them, integers divided by floor(L_i / 2).

    Where d differs from F, the latents reach the d channels by a linear layer, and return by another one: these are
    learned, the grid is not.

    Args:
        levels: L_1, ..., L_d, each at least 3. K is their product.

    Buffers:
        grid: (K, d), not saved, since the levels say it. Codeword k has the digits of k in the mixed base L, the first
            channel's digit the fastest.

    Source: arXiv 2309.15505.
    """

    name: ClassVar[str] = "fixed_grid"
    trained: ClassVar[bool] = False
    inits: ClassVar[tuple[str, ...]] = ("normal",)
    grid: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = check_levels(levels)
        self.size = math.prod(self.levels)

    @classmethod
    def near(cls, codebook_size: int, levels: tuple[int, ...] | None = None) -> "FixedGrid":
        """The grid of those levels; of :func:`levels_for` the size when there are none."""
        return cls(levels_of(codebook_size, levels))

    def install(self, start: Float[Tensor, "K F"]) -> None:
        size, dim = start.shape
        if size != self.size:
            raise ValueError(f"codebook_size is {size}, must be {self.size}, the product of {self.levels}")
        self.register_buffer("grid", self._grid(start.device), persistent=False)
        d = len(self.levels)
        self.project_in = nn.Linear(dim, d) if d != dim else nn.Identity()
        self.project_out = nn.Linear(d, dim) if d != dim else nn.Identity()

    def derive(self, device: torch.device) -> None:
        self.grid = self._grid(device).to(self.grid.dtype)

    def forward(self) -> Float[Tensor, "K F"]:
        return self.leave(self.grid)

    def enter(self, latents: Float[Tensor, "N F"]) -> Float[Tensor, "N D"]:
        return _apply(self.project_in, latents)

    def leave(self, codes: Float[Tensor, "N D"]) -> Float[Tensor, "N F"]:
        return _apply(self.project_out, codes)

    def extra_repr(self) -> str:
        return f"levels={self.levels}"

    def _grid(self, device: torch.device) -> Float[Tensor, "K D"]:
        # product has its last factor the fastest.
        digits = list(itertools.product(*(range(L) for L in reversed(self.levels))))
        halves = torch.tensor([L // 2 for L in self.levels], device=device)
        return (torch.tensor(digits, device=device).flip(1) - halves) / halves


def _apply(projection: nn.Module, rows: Tensor) -> Tensor:
    """In the dtype of the rows, whatever that of the parameters."""
    if isinstance(projection, nn.Linear):
        return linear(rows, projection.weight.to(rows.dtype), projection.bias.to(rows.dtype))
    return rows


def check_levels(levels: tuple[int, ...]) -> tuple[int, ...]:
    """The levels, as a tuple.

    Raises:
        ValueError: no levels, or fewer than 3 in a channel.
    """
    levels = tuple(levels)
    if not levels or any(isinstance(L, bool) or not isinstance(L, int) or L < _FEW for L in levels):
        raise ValueError(f"levels is {levels!r}, must be one or more integers, each at least {_FEW}")
    return levels


def levels_of(codebook_size: int, levels: tuple[int, ...] | None) -> tuple[int, ...]:
    """The levels, or :func:`levels_for` the size when there are none."""
    return levels_for(at_least_one("codebook_size", codebook_size)) if levels is None else levels


def levels_for(codebook_size: int) -> tuple[int, ...]:
    """Levels whose product is near a codebook size: the published ones where there are any, otherwise the closest.

    Levels are from 5 to 8, which the paper found best, and from 3 where those miss the size by more than a tenth; of
    equally close ones those with the fewest channels.

    Raises:
        ValueError: a size below 3.

    Source: arXiv 2309.15505, section 4.1.
    """
    if codebook_size < _FEW:
        raise ValueError(f"codebook_size is {codebook_size}, must be at least {_FEW} for a grid")
    if codebook_size in _PUBLISHED:
        return _PUBLISHED[codebook_size]
    levels = _closest(codebook_size, _GOOD)
    missed = abs(math.log(math.prod(levels) / codebook_size))
    return levels if missed < math.log(1.1) else _closest(codebook_size, _FEW)


def _closest(codebook_size: int, least: int) -> tuple[int, ...]:
    most = math.ceil(math.log(codebook_size, least))
    found = (
        levels[::-1]
        for d in range(1, most + 1)
        for levels in itertools.combinations_with_replacement(range(least, _MANY + 1), d)
    )
    return min(found, key=lambda levels: abs(math.log(math.prod(levels) / codebook_size)))
