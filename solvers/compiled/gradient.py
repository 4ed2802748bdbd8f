"""What a column's weights leave to be desired: errors C^T p - z and gradients, over the support, some candidates or all
of what a pass gave. Compiled."""

import numpy as np
from numba import njit

from scq.solvers.compiled.inverse import HELPER, dot
from scq.solvers.compiled.lanes import at, axpy, fma, lanes, load, load_double, splat, store, total


@njit(**HELPER)
def error(book, column, k, e, low):
    """e = C_S^T p - z in float64, and the same in the dtype of the latents."""
    b = 0
    while b < book.Fp:
        acc = axpy(-1.0, load_double(column.z, b), splat(e, 0.0))
        for i in range(k):
            acc = axpy(column.p[i], load_double(book.C, column.S[i] * book.Fp + b), acc)
        store(e, b, acc)
        store(low, b, acc)
        b += lanes(e)


@njit(**HELPER)
def gradient_on_support(book, column, work, g, k):
    """Completes g by lam (p - a), and returns nu = p^T g, max |g_i - nu| and max p_i |g_i - nu| over the support."""
    p, h, S = column.p, work.h, column.S
    g[column.anchor] -= book.lam
    for i in range(k):
        t = g[S[i]] + book.lam * p[i]
        g[S[i]] = t
        h[i] = t
    # Padding must not be an extreme.
    for i in range(book.K, book.Kp):
        g[i] = g[0]
    if k == 1:
        return np.float64(h[0]), 0.0, 0.0
    w, zero = lanes(p), splat(p, 0.0)
    acc, i = zero, 0
    while i < k:
        acc = fma(load(p, i), load_double(h, i), acc)
        i += w
    nu = total(acc)
    spread = complementarity = 0.0
    for i in range(k):
        t = abs(h[i] - nu)
        spread, complementarity = max(spread, t), max(complementarity, p[i] * t)
    return nu, spread, complementarity


@njit(**HELPER)
def still_violating(book, column, work, low, k, order, violation, count, limit):
    """The candidates that still violate optimality at the weights ``work.s``."""
    b = 0
    while b < book.Fp:
        acc = axpy(-1.0, load(column.z, b), splat(low, 0.0))
        for i in range(k):
            acc = axpy(work.s[i], load(book.C, column.S[i] * book.Fp + b), acc)
        store(low, b, acc)
        b += lanes(low)
    kept = 0
    for i in range(count):
        c = order[i]
        t = dot(at(book.C, c * book.Fp), low, book.Fp)
        if c == column.anchor:
            t -= book.lam
        order[kept], violation[kept] = c, t
        kept += t < limit
    return kept


@njit(**HELPER)
def kkt_residual(book, column, work, e, k):
    """``work.h`` = nu - g on the support, from float64 products."""
    nu = 0.0
    for second in range(2):
        mean = 0.0
        for i in range(k):
            acc, b = splat(e, 0.0), 0
            while b < book.Fp:
                acc = fma(load_double(book.C, column.S[i] * book.Fp + b), load(e, b), acc)
                b += lanes(e)
            g = total(acc) + book.lam * column.p[i]
            if column.S[i] == column.anchor:
                g -= book.lam
            mean += column.p[i] * g
            if second:
                work.h[i] = nu - g
        nu = mean
    i = k
    while i % lanes(work.h):
        work.h[i] = 0.0
        i += 1
