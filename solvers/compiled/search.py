"""Products with a whole codebook, and what is looked for in them, compiled."""

import numpy as np
from numba import njit

from scq.solvers.compiled.inverse import HELPER
from scq.solvers.compiled.lanes import (
    at,
    axpy,
    below,
    first_bit,
    highest,
    lanes,
    larger,
    load,
    lowest,
    smaller,
    splat,
    store,
)

CANDIDATES = 64
"""Codewords that one pass leaves for the rounds that follow."""

FEW = 2
"""Codewords that enter after a pass over a small codebook: more save passes, but leave again more often."""


@njit(**HELPER)
def products_of_four(tiles, F, Kp, x, stride, g, apart):
    """g = C x for four x that are ``stride`` apart, with g ``apart``; C comes as
    :func:`scq.solvers.compiled.tensors.tiled` has it."""
    w, zero = lanes(tiles), splat(tiles, 0.0)
    x0, x1, x2, x3 = x, at(x, stride), at(x, 2 * stride), at(x, 3 * stride)
    g0, g1, g2, g3 = g, at(g, apart), at(g, 2 * apart), at(g, 3 * apart)
    tile, b = tiles, 0
    while b < Kp:
        a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
        for f in range(F):
            c, d = load(tile, 0), load(tile, w)
            a0, b0 = axpy(x0[f], c, a0), axpy(x0[f], d, b0)
            a1, b1 = axpy(x1[f], c, a1), axpy(x1[f], d, b1)
            a2, b2 = axpy(x2[f], c, a2), axpy(x2[f], d, b2)
            a3, b3 = axpy(x3[f], c, a3), axpy(x3[f], d, b3)
            tile = at(tile, 2 * w)
        store(g0, b, a0)
        store(g1, b, a1)
        store(g2, b, a2)
        store(g3, b, a3)
        store(g0, b + w, b0)
        store(g1, b + w, b1)
        store(g2, b + w, b2)
        store(g3, b + w, b3)
        b += 2 * w


@njit(**HELPER)
def extremes(g, Kp):
    low, high = load(g, 0), load(g, 0)
    i = 0
    while i < Kp:
        x = load(g, i)
        low, high = smaller(x, low), larger(x, high)
        i += lanes(g)
    return lowest(low), highest(high)


@njit(**HELPER)
def crowded(g, K, limit, k):
    """Whether more than k of the K entries lie below the limit."""
    count, i = 0, 0
    while i < K and count <= k:
        count += g[i] < limit
        i += 1
    return count > k


@njit(**HELPER)
def smallest(x, n):
    """The place of the smallest of n entries, n a multiple of the lanes."""
    w, low = lanes(x), load(x, 0)
    i = w
    while i < n:
        low = smaller(load(x, i), low)
        i += w
    least = splat(x, lowest(low))
    i = 0
    while i < n:
        others = below(least, load(x, i))
        if others != (1 << w) - 1:
            return i + first_bit(~others)
        i += w
    return 0


@njit(**HELPER)
def worst(book, g, threshold, order, violation):
    """The ``FEW`` smallest entries of g below the threshold, in order; takes them out of g."""
    count = 0
    while count < FEW:
        c = smallest(g, book.Kp)
        if not (g[c] < threshold and c < book.K):
            break
        order[count], violation[count] = c, g[c]
        g[c] = np.inf
        count += 1
    return count


@njit(**HELPER)
def candidates(book, g, threshold, least, order, violation):
    """The entries of g below the threshold; where they are more than ``CANDIDATES``, the threshold falls towards
    ``least``, the smallest entry, until they fit, or, of many equals, the first ones."""
    for _ in range(20):
        limit = splat(g, threshold)
        count, i = 0, 0
        while i < book.Kp and count <= CANDIDATES:
            bits = below(load(g, i), limit)
            while bits != 0:
                c = i + first_bit(bits)
                bits &= bits - 1
                if count < CANDIDATES and c < book.K:
                    order[count], violation[count] = c, g[c]
                count += c < book.K
            i += lanes(g)
        if count <= CANDIDATES:
            return count
        threshold = 0.5 * (threshold + least)
    return CANDIDATES


@njit(**HELPER)
def best_first(order, violation, count, most):
    """Moves the ``most`` smallest violations behind the others, the smallest first. Returns how many others there are,
    and how many were moved."""
    moved = min(most, count)
    for r in range(moved):
        rest = count - r
        end = rest
        while end % lanes(violation):
            violation[end] = np.inf
            end += 1
        best = smallest(violation, end)
        order[best], order[rest - 1] = order[rest - 1], order[best]
        violation[best] = violation[rest - 1]
    rest = count - moved
    for r in range(moved // 2):
        order[rest + r], order[count - 1 - r] = order[count - 1 - r], order[rest + r]
    return rest, moved
