"""How a solve is divided into launches, and how many programs each has.

A launch has room for supports of one size. A column that outgrows it leaves its support in memory, and the next launch,
with more room, goes on from there; columns that are finished cost it a look at their state. So small supports, which
are most, are held in few registers, and nothing is asked of the host in between.
"""

from typing import Any, NamedTuple

import torch
import triton.language as tl

from scq.solvers.fused import PLACES

_SPARE = 64
"""Places beyond the number of features. Of codewords that are no copies of each other, supports are seen to be at most
F + 25 (docs/gpu.md)."""

_SCRATCH = 2**28
"""Bytes of memory that the programs of a launch may have together."""


class Stage(NamedTuple):
    """One launch.

    Attributes:
        places: codewords that a support may have.
        in_memory: the inverse of the support's matrix is in memory, not in registers.
        double: in float64, for what float32 does not certify, not in float32.
        warps: of 32 threads, for one column.
        columns: that a multiprocessor has in work at once, as far as registers go.
    """

    places: int
    in_memory: bool
    double: bool
    warps: int
    columns: int

    @property
    def dtype(self) -> torch.dtype:
        """The type that the inverse is held and updated in."""
        return torch.float64 if self.double else torch.float32

    def constants(self) -> dict[str, Any]:
        """What a kernel is compiled for."""
        return {
            "S": self.places,
            "FB": 8 if self.places > 64 else 16,
            "R": 8,
            "DT": tl.float64 if self.double else tl.float32,
            "IN_MEMORY": self.in_memory,
            "LAST": self.double,
        }

    @property
    def codewords(self) -> int:
        """Codewords of a pass that are treated at once."""
        return 128 if self.warps <= 2 else 256

    def options(self) -> dict[str, Any]:
        """How a kernel is compiled."""
        return options(self.warps)

    def programs(self, N: int, scratch: int, device: torch.device) -> int:
        """How many programs share N columns, each with so many bytes of scratch besides that for the inverse."""
        if device.type == "cpu":
            # Triton's interpreter, which runs one after the other.
            return max(1, min(N, 3))
        processors = torch.cuda.get_device_properties(device).multi_processor_count
        scratch += self.places**2 * self.dtype.itemsize if self.in_memory else 0
        return max(1, min(N, self.columns * processors, _SCRATCH // max(1, scratch)))


def options(warps: int) -> dict[str, Any]:
    """How a kernel of so many warps is compiled."""
    found: dict[str, Any] = {"num_warps": warps, "enable_fp_fusion": True}
    # The most there is: NVIDIA's assembler would rather spill a few registers than run fewer programs at once.
    return found if torch.version.hip else {**found, "maxnreg": 255}


IN_REGISTERS = (Stage(32, False, False, 1, 10), Stage(64, False, False, 2, 4), Stage(128, False, False, 4, 2))


def capacity(K: int, F: int) -> int:
    """Places that the support of a column has. What needs more is left to tensor operations; with K places there is
    nothing that could."""
    return min(K, F + _SPARE, PLACES)


def stages(places: int, dtype: torch.dtype) -> list[Stage]:
    """The launches for supports of at most so many places, and latents of that type."""
    size = max(32, power_of_two(places))
    last = Stage(size, True, True, 8 if size > 256 else 4, 2)
    if dtype == torch.float64:
        return [last]
    found = [stage for stage in IN_REGISTERS if stage.places <= size]
    if size > found[-1].places:
        found.append(Stage(size, True, False, 8, 2))
    return [*found, last]


def power_of_two(n: int) -> int:
    """The smallest that is not below n."""
    return 1 << max(0, n - 1).bit_length()
