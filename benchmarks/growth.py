"""How time grows with N, K and F: curves with fitted exponents."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from common import (
    PAGE,
    Round,
    both,
    forward,
    medians,
    plain_relaxation,
    plain_vq,
    relaxation_both,
    run,
    together,
    write,
)
from rich.progress import track

from scq.solvers.synthetic import hull
from scq.validation.common.measuring.timing import Repeated

CENTRE = {"N": 2048, "F": 16, "K": 512}
VALUES = {
    "N": (128, 512, 2048, 8192, 32768),
    "F": (4, 8, 16, 32, 64, 128),
    "K": (64, 256, 1024, 4096, 16384, 65536),
}
CURVES = {
    "plain VQ": plain_vq,
    "relaxation": plain_relaxation,
    "exact": forward,
    "exact, interior_point": partial(forward, backend="interior_point"),
    "relaxation, forward + backward": relaxation_both,
    "exact, forward + backward": both,
}
COLOURS = {"plain VQ": "C7", "relaxation": "C1", "exact": "C0", "exact, interior_point": "C2"}
LARGEST = {"relaxation": 2**25, "relaxation, forward + backward": 2**23, "exact, interior_point": 2**21}
"""Entries N K above which a curve ends: (N, K) arrays, of which each of these has many."""


def measure() -> Round:
    """Milliseconds of each curve along each variable."""
    found: Round = {}
    for variable, values in track(VALUES.items(), "variables"):
        for value in values:
            size = CENTRE | {variable: value}
            latents, codebook = hull(**size, dtype=torch.float32)
            fit = {
                name: partial(curve, latents, codebook)
                for name, curve in CURVES.items()
                if size["N"] * size["K"] <= LARGEST.get(name, 2**40)
            }
            for name, median in medians(fit, 3).items():
                found.setdefault(f"{variable}: {name}", {})[str(value)] = 1e3 * median
    return found


def exponent(x: np.ndarray, y: np.ndarray) -> float:
    """From the middle on, where the work and not the calls take the time."""
    half = x >= np.median(x)
    return float(np.polyfit(np.log(x[half]), np.log(y[half]), 1)[0])


def publish(rounds: list[Round]) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.6), sharey=True, layout="constrained")
    panels = dict(zip(VALUES, axes, strict=True))
    rows = []
    for place, points in together(rounds).items():
        variable, name = place.split(": ", 1)
        axis, x = panels[variable], np.array([float(value) for value in points])
        fitted = Repeated(tuple(exponent(x, np.array(list(one[place].values()))) for one in rounds))
        style, family = "--" if "backward" in name else "-", name.removesuffix(", forward + backward")
        label = f"{name}: {fitted.median:.2f} ({fitted.minimum:.2f} to {fitted.maximum:.2f})"
        low, middle, high = (
            [getattr(point, end) / 1e3 for point in points.values()] for end in ("minimum", "median", "maximum")
        )
        axis.loglog(x, middle, style, marker="o", markersize=4, color=COLOURS[family], label=label)
        axis.fill_between(x, low, high, color=COLOURS[family], alpha=0.2, linewidth=0)
        rows.append((variable, name, fitted, ", ".join(f"{v}: {point.words()}" for v, point in points.items())))
    for variable, axis in panels.items():
        others = ", ".join(f"{name} = {value}" for name, value in CENTRE.items() if name != variable)
        axis.set(xlabel=f"{variable}   ({others})", title=f"Growth with {variable}")
        axis.grid(alpha=0.3, which="major")
        axis.legend(fontsize=7, title="exponent, upper half", title_fontsize=7)
    axes[0].set_ylabel("seconds a call, median and range of rounds")
    path = PAGE.with_name("growth.png")
    figure.savefig(path, dpi=130)
    notes = (
        "Float32, lam 0.1, in each round medians of three turns; exponents are fitted to the upper half of each curve."
    )
    write("growth", "Growth with N, K and F", ("variable", "curve", "exponent", "ms"), rows, notes)
    print(f"Written: {path}")


if __name__ == "__main__":
    run(measure, publish)
