"""Codebooks and latents for drawn problems, many of them degenerate."""

from collections.abc import Callable

import numpy as np

N = 6
"""Latents of a drawn problem."""

CODEBOOKS: dict[str, Callable] = {
    "random": lambda random, K, F: random.normal(size=(K, F)),
    "duplicates": lambda random, K, F: random.normal(size=(K, F))[random.integers(0, (K + 1) // 2, K)],
    "nearly duplicates": lambda random, K, F: (
        random.normal(size=(K, F))[random.integers(0, (K + 1) // 2, K)] + 1e-9 * random.normal(size=(K, F))
    ),
    "collinear": lambda random, K, F: random.normal(size=(K, 1)) * random.normal(size=F) + random.normal(size=F),
    "all equal": lambda random, K, F: np.tile(random.normal(size=F), (K, 1)),
    "grid": lambda random, K, F: random.integers(-1, 2, size=(K, F)).astype(float),
    "far away": lambda random, K, F: random.normal(size=(K, F)) + 30.0,
    "one long": lambda random, K, F: random.normal(size=(K, F)) * np.where(np.arange(K) == 0, 100.0, 1.0)[:, None],
}

LATENTS: dict[str, Callable] = {
    "vertices": lambda random, C: C[random.integers(0, len(C), N)],
    "midpoints": lambda random, C: (C[random.integers(0, len(C), N)] + C[random.integers(0, len(C), N)]) / 2,
    "in the hull": lambda random, C: random.dirichlet(np.ones(len(C)), size=N) @ C,
    "on faces": lambda random, C: random.dirichlet(np.full(len(C), 0.05), size=N) @ C,
    "outside": lambda random, C: C.mean(0) + 3 * np.abs(C).max() * random.normal(size=(N, C.shape[1])),
    "the centre": lambda random, C: np.tile(C.mean(0), (N, 1)),
}
