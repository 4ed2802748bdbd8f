"""One column's support and the inverse of its matrix, updated in place as codewords enter and leave. Compiled.

For the support S, M is the inverse of H_SS = C_S C_S^T + lam I, and x1 = M q_S, x2 = M 1 with q = C z + lam a. The
weights that solve the KKT system of the support are s = x1 - theta x2, with theta such that they sum to 1; the gradient
there is -theta on all of S. A codeword that enters or leaves changes M by a matrix of rank one, and x1 and x2 along
with it, so no linear system is ever solved. Entries beyond the support's size k are 0 throughout.
"""

from collections import namedtuple

from numba import njit

from scq.solvers.compiled.lanes import add, at, axpy, fma, lanes, load, splat, store, total

# Without "nnan", which would let the compiler assume away the NaN that a breakdown leaves.
JIT = {"nogil": True, "error_model": "numpy", "fastmath": {"nsz", "arcp", "contract", "afn"}}

HELPER = JIT | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""For what only kernels call: without the wrappers for Python, which take a third of the compilation."""

ENTERING = 4
"""Codewords that may enter between two solves on the support: rows of ``h`` and ``v``."""

Codebook = namedtuple("Codebook", "C tiles G K Kp F Fp products lam")
"""Pointers to the codebook (K, Fp), the same in tiles, and its products (K, K); sizes, padded ones with a p; whether
G holds the products or they are computed as needed; lam."""

Column = namedtuple("Column", "z anchor M p x1 x2 S")
"""Pointers to a column's latent, to M and to vectors over the support: weights, x1, x2, numbers; its anchor."""

Work = namedtuple("Work", "h v s scale ld capacity")
"""Pointers to scratch that columns share, each of ld entries or ENTERING times ld; the row length of M; the largest
support."""


@njit(**HELPER)
def dot(x, y, n):
    """The inner product of n entries, in the dtype of x."""
    acc = splat(x, 0.0)
    i = 0
    while i < n:
        acc = fma(load(x, i), load(y, i), acc)
        i += lanes(x)
    return total(acc)


@njit(**HELPER)
def start(book, column):
    """The support {anchor}."""
    a = column.anchor
    c = at(book.C, a * book.Fp)
    x2 = 1.0 / (dot(c, c, book.Fp) + book.lam)
    column.M[0], column.x2[0] = x2, x2
    column.x1[0] = (dot(c, column.z, book.Fp) + book.lam) * x2
    column.S[0], column.p[0] = a, 1.0
    return 1


@njit(**HELPER)
def enter(numbers, count, book, column, work, k, anyway):
    """The codewords ``numbers[:count]``, best first, enter with weight 0: each if the KKT system of the support so
    enlarged gives it a positive weight. Returns the new size of the support. ``anyway``: whatever their weights are,
    which stay as ``column.p`` has them.

    M is read once for every two of them and written once for every two that enter: what one changes reaches the next
    through the vectors alone, (M + scale u u^T) h = M h + scale (u^T h) u.
    """
    M, S, x1, x2, ld = column.M, column.S, column.x1, column.x2, work.ld
    w, before, entered = lanes(M), k, 0
    for r in range(count):
        _products(numbers[r], book, S, k, count, at(work.h, r * ld))
    for r in range(0, count, 2):
        _times_two(M, at(work.h, r * ld), at(work.v, r * ld), k, ld)
    for r in range(count):
        j, h, v, u = numbers[r], at(work.h, r * ld), at(work.v, r * ld), at(work.v, entered * ld)
        i = 0
        while i < before:
            store(u, i, load(v, i))
            i += w
        while i < before + count:
            store(u, i, splat(u, 0.0))
            i += w
        for t in range(entered):
            h[before + t] = _product(j, S[before + t], book)
        for t in range(entered):
            earlier = at(work.v, t * ld)
            factor = work.scale[t] * dot(earlier, h, k)
            i = 0
            while i < k:
                store(u, i, axpy(factor, load(earlier, i), load(u, i)))
                i += w
        zero = splat(M, 0.0)
        hu, h1, h2, ones, sum1, sum2 = zero, zero, zero, zero, zero, zero
        i = 0
        while i < k:
            hs, us, x1s, x2s = load(h, i), load(u, i), load(x1, i), load(x2, i)
            hu, h1, h2 = fma(hs, us, hu), fma(hs, x1s, h1), fma(hs, x2s, h2)
            ones, sum1, sum2 = add(us, ones), add(x1s, sum1), add(x2s, sum2)
            i += w
        pivot = _product(j, j, book) + book.lam - total(hu)
        q = dot(at(book.C, j * book.Fp), column.z, book.Fp)
        if j == column.anchor:
            q += book.lam
        inverse = 1.0 / pivot
        t1, t2 = (q - total(h1)) * inverse, (1.0 - total(h2)) * inverse
        rest = 1.0 - total(ones)
        # The weight is t1 - theta t2, theta the first of these by the second, which is 1^T M 1 > 0.
        above, below = total(sum1) + t1 * rest - 1.0, total(sum2) + t2 * rest
        if pivot > 0.0 and (anyway or t1 * below > above * t2):
            u[k], work.scale[entered] = -1.0, inverse
            S[k] = j
            if not anyway:
                column.p[k] = 0.0
            k, entered = k + 1, entered + 1
            i = 0
            while i < k:
                us = load(u, i)
                store(x1, i, axpy(-t1, us, load(x1, i)))
                store(x2, i, axpy(-t2, us, load(x2, i)))
                i += w
    if entered % 2:
        work.scale[entered] = 0.0
        _clear(at(work.v, entered * ld), k)
    for r in range(0, entered, 2):
        _add_two(M, at(work.v, r * ld), at(work.scale, r), work.h, k, ld)
    return k


@njit(**HELPER)
def leave(i, column, work, k):
    """The i-th codeword of the support leaves; the last one takes its place. Returns the new size."""
    M, S, p, x1, x2, v, s, ld = column.M, column.S, column.p, column.x1, column.x2, work.v, work.s, work.ld
    w, row, last = lanes(M), at(M, i * ld), k - 1
    inverse = 1.0 / row[i]
    t1, t2 = x1[i] * inverse, x2[i] * inverse
    r = 0
    while r < k:
        vs = load(row, r)
        store(v, r, vs)
        store(x1, r, axpy(-t1, vs, load(x1, r)))
        store(x2, r, axpy(-t2, vs, load(x2, r)))
        r += w
    work.scale[0], work.scale[1] = -inverse, 0.0
    _clear(at(v, ld), k)
    _add_two(M, v, work.scale, work.h, k, ld)
    end = at(M, last * ld)
    if i != last:
        corner = end[last]
        r = 0
        while r < k:
            store(row, r, load(end, r))
            r += w
        for r in range(last):
            M[r * ld + i] = end[r]
        row[i] = corner
        S[i], p[i], s[i], x1[i], x2[i] = S[last], p[last], s[last], x1[last], x2[last]
    _clear(end, k)
    for r in range(last):
        M[r * ld + last] = 0.0
    p[last], s[last], x1[last], x2[last] = 0.0, 0.0, 0.0, 0.0
    return last


@njit(**HELPER)
def rebuild(book, column, work, k):
    """M, x1 and x2 from the codewords alone, without the rounding errors of many updates. Returns False where the
    support's matrix is not positive definite in this precision."""
    _clear_inverse(column, work, k)
    built = 0
    while built < k and enter(at(column.S, built), 1, book, column, work, built, True) > built:
        built += 1
    return built == k


@njit(**HELPER)
def clear(column, work, k):
    """Zeros in all of a column's arrays, for the next one."""
    _clear_inverse(column, work, k)
    _clear(column.p, k)


@njit(**HELPER)
def _clear_inverse(column, work, k):
    for i in range(k):
        _clear(at(column.M, i * work.ld), k)
    _clear(column.x1, k)
    _clear(column.x2, k)


@njit(**HELPER)
def correct(column, work, k):
    """p += M r - theta x2, with the residual r of the KKT system in ``work.h`` and theta such that the sum of p stays:
    one step of iterative refinement."""
    h, v, p, x2 = work.h, work.v, column.p, column.x2
    _clear(at(h, work.ld), k)
    _times_two(column.M, h, v, k, work.ld)
    sum1, sum2 = 0.0, 0.0
    for i in range(k):
        sum1 += v[i]
        sum2 += x2[i]
    theta = sum1 / sum2
    for i in range(k):
        p[i] += v[i] - theta * x2[i]


@njit(**HELPER)
def _product(i, j, book):
    """c_i^T c_j."""
    if book.products:
        return book.G[i * book.K + j]
    return dot(at(book.C, i * book.Fp), at(book.C, j * book.Fp), book.Fp)


@njit(**HELPER)
def _products(j, book, S, k, count, h):
    """h = C_S c_j, and 0 in the ``count`` places after it."""
    _clear(h, k + count)
    if book.products:
        row = at(book.G, j * book.K)
        for i in range(k):
            h[i] = row[S[i]]
    else:
        for i in range(k):
            h[i] = _product(j, S[i], book)


@njit(**HELPER)
def _clear(x, n):
    i = 0
    while i < n:
        store(x, i, splat(x, 0.0))
        i += lanes(x)


@njit(**HELPER)
def _times_two(M, h, v, k, ld):
    """v = M h for two rows of h, in strips of two vectors and then one."""
    w, g, u, zero = lanes(M), at(h, ld), at(v, ld), splat(M, 0.0)
    b = 0
    while b + w < k:
        a0, a1, b0, b1 = zero, zero, zero, zero
        row = at(M, b)
        for i in range(k):
            x, y, m0, m1 = h[i], g[i], load(row, 0), load(row, w)
            a0, a1, b0, b1 = axpy(x, m0, a0), axpy(x, m1, a1), axpy(y, m0, b0), axpy(y, m1, b1)
            row = at(row, ld)
        store(v, b, a0)
        store(v, b + w, a1)
        store(u, b, b0)
        store(u, b + w, b1)
        b += 2 * w
    if b < k:
        a0, a1, b0, b1 = zero, zero, zero, zero
        row, even = at(M, b), k - k % 2
        for i in range(0, even, 2):
            m0, m1 = load(row, 0), load(row, ld)
            a0, a1 = axpy(h[i], m0, a0), axpy(h[i + 1], m1, a1)
            b0, b1 = axpy(g[i], m0, b0), axpy(g[i + 1], m1, b1)
            row = at(row, 2 * ld)
        if even < k:
            m0 = load(row, 0)
            a0, b0 = axpy(h[even], m0, a0), axpy(g[even], m0, b0)
        store(v, b, add(a0, a1))
        store(u, b, add(b0, b1))


@njit(**HELPER)
def _add_two(M, v, scale, scaled, k, ld):
    """M += scale[0] v v^T + scale[1] u u^T, u the row after v; ``scaled`` is scratch of two rows."""
    w, u, x, y, zero = lanes(M), at(v, ld), scaled, at(scaled, ld), splat(M, 0.0)
    b = 0
    while b < k:
        store(x, b, axpy(scale[0], load(v, b), zero))
        store(y, b, axpy(scale[1], load(u, b), zero))
        b += w
    b = 0
    while b + w < k:
        v0, v1, u0, u1 = load(v, b), load(v, b + w), load(u, b), load(u, b + w)
        row = at(M, b)
        for i in range(k):
            m0, m1 = load(row, 0), load(row, w)
            store(row, 0, axpy(y[i], u0, axpy(x[i], v0, m0)))
            store(row, w, axpy(y[i], u1, axpy(x[i], v1, m1)))
            row = at(row, ld)
        b += 2 * w
    if b < k:
        v0, u0 = load(v, b), load(u, b)
        row = at(M, b)
        for i in range(k):
            store(row, 0, axpy(y[i], u0, axpy(x[i], v0, load(row, 0))))
            row = at(row, ld)
