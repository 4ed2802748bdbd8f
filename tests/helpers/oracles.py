"""Exact solutions in NumPy and SciPy, float64, by methods that share nothing with the solvers under test.

Arrays: latents z (N, F), codebook C (K, F), anchors a (N, K) as points of the simplex, lam a number.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np
from scipy.optimize import nnls


def enumerate_supports(z: np.ndarray, C: np.ndarray, lam: float, a: np.ndarray) -> np.ndarray:
    """The weights by brute force over all 2^K - 1 supports, for tiny K.

    The minimiser lies inside some face of the simplex, where it minimises the objective over the face's plane. Of all
    these minimisers that are >= 0, the best one is it.
    """
    K = len(C)
    H, q = C @ C.T + lam * np.eye(K), z @ C.T + lam * a
    best, lowest = np.zeros_like(a), np.full(len(z), np.inf)
    for size in range(1, K + 1):
        for support in map(list, combinations(range(K), size)):
            system = np.ones((size + 1, size + 1))
            system[:size, :size] = H[np.ix_(support, support)]
            system[size, size] = 0.0
            rhs = np.vstack([q[:, support].T, np.ones(len(z))])
            p = np.zeros_like(a)
            p[:, support] = np.linalg.solve(system, rhs)[:size].T
            value = np.where((p >= 0).all(1), 0.5 * np.einsum("ni,ij,nj->n", p, H, p) - (p * q).sum(1), np.inf)
            better = value < lowest
            best[better], lowest[better] = p[better], value[better]
    return best


def least_distance(z: np.ndarray, C: np.ndarray, lam: float, a: np.ndarray) -> np.ndarray:
    """The weights as the point of a convex hull nearest to the origin, by Lawson and Hanson's NNLS.

    On the simplex the objective is ||M p||^2 / 2 with M = [C^T - z 1^T; sqrt(lam) (I - a 1^T)]. Over q = t p, t >= 0,
    the problem ||M q||^2 + (sum(q) - 1)^2 has its minimum at the same p, whatever t: so p = q / sum(q).
    """
    weights = np.empty_like(a)
    for n in range(len(z)):
        M = np.vstack([C.T - z[n][:, None], np.sqrt(lam) * (np.eye(len(C)) - a[n][:, None])])
        M /= max(np.abs(M).max(), 1e-300)
        q = nnls(np.vstack([M, np.ones(len(C))]), np.append(np.zeros(len(M)), 1.0), maxiter=100 * len(C))[0]
        weights[n] = q / q.sum()
    return weights


def multipliers(z: np.ndarray, C: np.ndarray, lam: float, a: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, ...]:
    """The gradient g of the objective at p, and the multipliers mu = g - p^T g of p >= 0, each (N, K)."""
    g = (p @ C - z) @ C.T + lam * (p - a)
    return g, g - (p * g).sum(1, keepdims=True)


def central_differences(
    function: Callable[..., float], arrays: dict[str, np.ndarray], step: float = 1e-5
) -> dict[str, np.ndarray]:
    """The derivative of a scalar function of named arrays."""
    gradient = {name: np.zeros_like(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        for place in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * step
                values.append(function(**{**arrays, name: moved}))
            gradient[name][place] = (values[0] - values[1]) / (2 * step)
    return gradient
