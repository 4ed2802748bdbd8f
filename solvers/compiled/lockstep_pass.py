"""Lockstep: errors, the pass over the codebook, gradients on the supports. Compiled."""

import numpy as np
from numba import njit

from scq.solvers.compiled.inverse import HELPER
from scq.solvers.compiled.lanes import add, at, axpy, below, first_bit, fma, larger, load, smaller, splat, store
from scq.solvers.compiled.lockstep_support import LANES, SLOTS
from scq.solvers.compiled.masks import blend, mul, sub


@njit(**HELPER)
def errors(g, n, F):
    """e = C_S^T p - z."""
    zero = splat(g.e, 0.0)
    for f in range(0, F, 4):
        a0, a1, a2, a3 = zero, zero, zero, zero
        for i in range(n):
            p, c = load(g.p, i * LANES), at(g.CS, (i * F + f) * LANES)
            a0, a1 = fma(p, load(c, 0), a0), fma(p, load(c, LANES), a1)
            a2, a3 = fma(p, load(c, 2 * LANES), a2), fma(p, load(c, 3 * LANES), a3)
        z, e = at(g.z, f * LANES), at(g.e, f * LANES)
        store(e, 0, sub(a0, load(z, 0)))
        store(e, LANES, sub(a1, load(z, LANES)))
        store(e, 2 * LANES, sub(a2, load(z, 2 * LANES)))
        store(e, 3 * LANES, sub(a3, load(z, 3 * LANES)))


@njit(**HELPER)
def look(book, g, b):
    """For each lane the two smallest of c_k^T e over the codewords that are not hidden, one of each half of them, the
    smallest first, their numbers, and the largest."""
    tiles, F, e, hidden = book.tiles, book.F, g.e, b.hidden
    zero, one = splat(e, 0.0), splat(e, 1.0)
    low0, low1, high = splat(e, np.inf), splat(e, np.inf), splat(e, -np.inf)
    at0, at1, k0 = zero, zero, zero
    k = 0
    while k < book.Kp:
        c = at(tiles, k // 32 * 32 * F + k % 32)
        a0, a1, a2, a3, a4, a5, a6, a7 = zero, zero, zero, zero, zero, zero, zero, zero
        for f in range(F):
            x = load(e, f * LANES)
            a0, a1, a2, a3 = axpy(c[0], x, a0), axpy(c[1], x, a1), axpy(c[2], x, a2), axpy(c[3], x, a3)
            a4, a5, a6, a7 = axpy(c[4], x, a4), axpy(c[5], x, a5), axpy(c[6], x, a6), axpy(c[7], x, a7)
            c = at(c, 32)
        k1 = add(k0, one)
        low0, at0, high = _keep(hidden[k], a0, k0, low0, at0, high)
        low1, at1, high = _keep(hidden[k + 1], a1, k1, low1, at1, high)
        k0, k1 = add(k1, one), add(add(k1, one), one)
        low0, at0, high = _keep(hidden[k + 2], a2, k0, low0, at0, high)
        low1, at1, high = _keep(hidden[k + 3], a3, k1, low1, at1, high)
        k0, k1 = add(k1, one), add(add(k1, one), one)
        low0, at0, high = _keep(hidden[k + 4], a4, k0, low0, at0, high)
        low1, at1, high = _keep(hidden[k + 5], a5, k1, low1, at1, high)
        k0, k1 = add(k1, one), add(add(k1, one), one)
        low0, at0, high = _keep(hidden[k + 6], a6, k0, low0, at0, high)
        low1, at1, high = _keep(hidden[k + 7], a7, k1, low1, at1, high)
        k0 = add(k1, one)
        k += 8
    worse = below(low1, low0)
    store(g.found, 0, blend(worse, low1, low0))
    store(g.found, LANES, blend(worse, low0, low1))
    store(g.found, 2 * LANES, blend(worse, at1, at0))
    store(g.found, 3 * LANES, blend(worse, at0, at1))
    store(g.found, 4 * LANES, high)


@njit(**HELPER)
def _keep(hidden, x, k, low, place, high):
    smallest = below(x, low) & ~hidden
    return blend(smallest, x, low), blend(smallest, k, place), blend(hidden, high, larger(x, high))


@njit(**HELPER)
def look_at_anchors(alive, book, g, b):
    """The pass hides anchors. The gradient of one that left the support has the term -lam, and it may come back."""
    inside = 0
    for i in range(SLOTS):
        inside |= b.anchored[i]
    outside = alive & ~inside
    while outside != 0:
        lane = first_bit(outside)
        outside &= outside - 1
        a, x = b.anchor[lane], -book.lam
        c = at(book.C, a * book.Fp)
        for f in range(book.F):
            x += c[f] * g.e[f * LANES + lane]
        if x < g.found[lane]:
            g.found[LANES + lane], g.found[3 * LANES + lane] = g.found[lane], g.found[2 * LANES + lane]
            g.found[lane], g.found[2 * LANES + lane] = x, a
        elif x < g.found[LANES + lane]:
            g.found[LANES + lane], g.found[3 * LANES + lane] = x, a
        g.found[4 * LANES + lane] = max(g.found[4 * LANES + lane], x)


@njit(**HELPER)
def gradient_on_support(g, b, n, book):
    """``g.gs``, the gradients on the support; nu = p^T g; the largest |g_i - nu| and p_i |g_i - nu|, and the extremes
    of g there."""
    zero = splat(g.e, 0.0)
    nu = zero
    _products(g.CS, book.F, g.e, g.gs, n)
    minus = splat(g.e, -book.lam)
    for i in range(n):
        p = load(g.p, i * LANES)
        x = axpy(book.lam, p, load(g.gs, i * LANES))
        x = blend(b.anchored[i], add(x, minus), x)
        store(g.gs, i * LANES, x)
        nu = fma(p, x, nu)
    spread, complementarity, least, most = zero, zero, nu, nu
    for i in range(n):
        x = load(g.gs, i * LANES)
        t = sub(x, nu)
        t = blend(b.occupied[i], larger(t, sub(zero, t)), zero)
        spread, complementarity = larger(t, spread), larger(mul(load(g.p, i * LANES), t), complementarity)
        x = blend(b.occupied[i], x, nu)
        least, most = smaller(x, least), larger(x, most)
    return nu, spread, complementarity, least, most


@njit(**HELPER)
def _products(rows, F, x, h, n):
    """h_i = row i . x, of n rows of F vectors, four at a time."""
    zero = splat(h, 0.0)
    for i in range(0, n, 4):
        c0 = at(rows, i * F * LANES)
        c1, c2, c3 = at(c0, F * LANES), at(c0, 2 * F * LANES), at(c0, 3 * F * LANES)
        a0, a1, a2, a3 = zero, zero, zero, zero
        for f in range(0, F * LANES, LANES):
            y = load(x, f)
            a0, a1, a2, a3 = (
                fma(load(c0, f), y, a0),
                fma(load(c1, f), y, a1),
                fma(load(c2, f), y, a2),
                fma(load(c3, f), y, a3),
            )
        to = at(h, i * LANES)
        store(to, 0, a0)
        store(to, LANES, a1)
        store(to, 2 * LANES, a2)
        store(to, 3 * LANES, a3)
