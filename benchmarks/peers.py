"""Seconds a column of the packages that solve the same programme, against ours."""

from collections.abc import Callable
from functools import partial

import torch
from common import forward, hull, medians, write
from rich.progress import track

from scq.solvers import backends

SIZES = {(16, 128): 32, (64, 512): 4}
"""(F, K), and the columns that a peer is given: it takes milliseconds for each."""

OURS, OURS_NAMES = 2048, ("active_set", "interior_point")


def seconds(solve: Callable[[], object], columns: int) -> float:
    """Median seconds a column."""
    return medians({"solve": solve}, 3)["solve"] / columns


def main() -> None:
    rows = []
    for (F, K), columns in track(SIZES.items(), "sizes"):
        latents, codebook = hull(OURS, F, K, torch.float64)
        ours = {name: seconds(partial(forward, latents, codebook, name), OURS) for name in OURS_NAMES}
        few = latents[:columns]
        for info in backends():
            if not info.exact:
                continue
            if not info.available:
                rows.append((f"{F}, {K}", f"`{info.name}`", "not installed", "", "", ""))
                continue
            solve = partial(forward, few, codebook, info.name)
            each = ours.get(info.name) or seconds(solve, columns)
            residual = solve().residuals.relative.max()
            rows.append(
                (
                    f"{F}, {K}",
                    f"`{info.name}`",
                    f"{each * 1e6:.0f}",
                    f"{each / ours['active_set']:.0f}",
                    f"{each / ours['interior_point']:.0f}",
                    f"{residual:.0e}",
                )
            )
    headings = ("F, K", "backend", "µs a column", "/ active_set", "/ interior_point", "relative KKT, worst")
    notes = f"Float64, lam 0.1, forward; {OURS} columns for ours, few for the others, which take as long for each."
    write("peers", "Exact backends, seconds a column", headings, rows, notes)


if __name__ == "__main__":
    main()
