"""How time grows with N, K and F: curves with fitted exponents."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from common import PAGE, both, forward, hull, medians, plain_relaxation, plain_vq, relaxation_both, write
from rich.progress import track

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


def main() -> None:
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.6), sharey=True, layout="constrained")
    rows = []
    for axis, (variable, values) in zip(axes, track(VALUES.items(), "variables"), strict=True):
        seconds: dict[str, dict[int, float]] = {name: {} for name in CURVES}
        for value in values:
            size = CENTRE | {variable: value}
            latents, codebook = hull(**size)
            fit = {
                name: partial(curve, latents, codebook)
                for name, curve in CURVES.items()
                if size["N"] * size["K"] <= LARGEST.get(name, 2**40)
            }
            for name, median in medians(fit, 3).items():
                seconds[name][value] = median
        for name, points in seconds.items():
            x, y = np.array(list(points)), np.array(list(points.values()))
            # From the middle on, where the work and not the calls take the time.
            half = x >= np.median(x)
            exponent = np.polyfit(np.log(x[half]), np.log(y[half]), 1)[0]
            style, family = "--" if "backward" in name else "-", name.removesuffix(", forward + backward")
            axis.loglog(x, y, style, marker="o", markersize=4, color=COLOURS[family], label=f"{name}: {exponent:.2f}")
            rows.append(
                (variable, name, f"{exponent:.2f}", ", ".join(f"{v}: {t * 1e3:.1f}" for v, t in points.items()))
            )
        others = ", ".join(f"{name} = {value}" for name, value in CENTRE.items() if name != variable)
        axis.set(xlabel=f"{variable}   ({others})", title=f"Growth with {variable}")
        axis.grid(alpha=0.3, which="major")
        axis.legend(fontsize=7, title="exponent, upper half", title_fontsize=7)
    axes[0].set_ylabel("seconds a call")
    path = PAGE.with_name("growth.png")
    figure.savefig(path, dpi=130)
    notes = "Float32, lam 0.1, medians of three turns; the exponent is fitted to the upper half of each curve."
    write("growth", "Growth with N, K and F", ("variable", "curve", "exponent", "ms"), rows, notes)
    print(f"Written: {path}")


if __name__ == "__main__":
    main()
