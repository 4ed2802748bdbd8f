"""The grid of finite scalar quantization: codewords that nobody learns."""

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from scq.quantizers.codebooks.kind import Codebook

_PUBLISHED = {
    2**8: (8, 6, 5),
    2**10: (8, 5, 5, 5),
    2**12: (7, 5, 5, 5, 5),
    2**14: (8, 8, 8, 6, 5),
    2**16: (8, 8, 8, 5, 5, 5),
}
_FEW, _GOOD, _MANY = 3, 5, 8
"""Levels of a channel. Two would leave the bounding function no slope at 0."""


@dataclass(frozen=True)
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

    levels: tuple[int, ...]

    name: ClassVar[str] = "fixed_grid"
    computed: ClassVar[bool] = True
    trained: ClassVar[bool] = False
    inits: ClassVar[tuple[str, ...]] = ("normal",)

    def __post_init__(self) -> None:
        check_levels(self.levels)

    def install(self, layer: nn.Module, start: Float[Tensor, "K F"]) -> None:
        size, dim = start.shape
        if size != math.prod(self.levels):
            raise ValueError(f"codebook_size is {size}, must be {math.prod(self.levels)}, the product of {self.levels}")
        layer.register_buffer("grid", self._grid(start.device), persistent=False)
        d = len(self.levels)
        layer.project_in = nn.Linear(dim, d) if d != dim else nn.Identity()
        layer.project_out = nn.Linear(d, dim) if d != dim else nn.Identity()

    def derive(self, layer: nn.Module, device: torch.device) -> None:
        layer.grid = self._grid(device).to(layer.grid.dtype)

    def _grid(self, device: torch.device) -> Float[Tensor, "K D"]:
        # product has its last factor the fastest.
        digits = list(itertools.product(*(range(L) for L in reversed(self.levels))))
        halves = torch.tensor([L // 2 for L in self.levels], device=device)
        return (torch.tensor(digits, device=device).flip(1) - halves) / halves

    def codewords(self, layer: nn.Module) -> Float[Tensor, "K F"]:
        return self.leave(layer, layer.grid)

    def parameters(self, layer: nn.Module) -> list[nn.Parameter]:
        return [*layer.project_in.parameters(), *layer.project_out.parameters()]

    def enter(self, layer: nn.Module, latents: Float[Tensor, "N F"]) -> Float[Tensor, "N D"]:
        return _apply(layer.project_in, latents)

    def leave(self, layer: nn.Module, codes: Float[Tensor, "N D"]) -> Float[Tensor, "N F"]:
        return _apply(layer.project_out, codes)


def _apply(projection: nn.Module, rows: Tensor) -> Tensor:
    """In the dtype of the rows, whatever that of the parameters."""
    if isinstance(projection, nn.Linear):
        return linear(rows, projection.weight.to(rows.dtype), projection.bias.to(rows.dtype))
    return rows


def check_levels(levels: tuple[int, ...]) -> None:
    """Refuses what is no grid.

    Raises:
        ValueError: no levels, or fewer than 3 in a channel.
    """
    if not levels or any(isinstance(L, bool) or not isinstance(L, int) or L < _FEW for L in levels):
        raise ValueError(f"levels is {levels!r}, must be one or more integers, each at least {_FEW}")


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
