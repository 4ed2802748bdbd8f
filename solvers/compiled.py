"""The active-set method for one column after another, compiled by Numba: the CPU path of ``active_set``.

For the support S of a column, M is the inverse of H_SS = C_S C_S^T + lam I, and x1 = M q_S, x2 = M 1 with
q = C z + lam a. The weights that solve the KKT system of the support are s = x1 - theta x2 with theta such that they
sum to 1, and the gradient there is -theta on all of S. A codeword that enters or leaves changes M by a matrix of rank
one, and x1 and x2 along with it, so no linear system is ever solved.
"""

import numpy as np
from numba import njit

# Without "nnan", which would let the compiler assume away the NaN that the loops below must survive.
_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}

_CANDIDATES = 64
"""Codewords that one pass over the codebook leaves for the rounds that follow."""

_ENTERING = 8
"""Codewords that may enter between two solves on the support."""


@njit(nogil=True, cache=True, error_model="numpy")
def solve_columns(
    first, last, Z, C, Ct, G, lam, anchor, tol, share, floor, max_iter, index, values, size, steps, residual
):
    """Solves columns first to last - 1.

    Args:
        Z, C, Ct: latents (N, F), codebook (K, F) and its transpose (F, K), float32 or float64; passes over the codebook
            are made in this type, everything on the support in float64.
        G: (K, K) products of codewords, float64, or (0, 0) to compute them as needed.
        lam, anchor: regularisation weight, and codeword numbers (N,).
        tol, share, floor: codewords enter while the dual residual exceeds share * tol * max(floor, max_k |g_k|).
        max_iter: codewords that may enter, those that leave again included.
        index, values, size: written: (N, S) supports and weights, and how many there are.
        steps: written: codewords that entered.
        residual: written: the relative KKT residual over all K; infinite where the method gave up.
    """
    K, F = C.shape
    capacity = index.shape[1]
    # Rows of M must not all fall on the same few sets of the cache.
    M = np.empty((capacity, capacity + 8))
    S, active = np.empty(capacity, np.int64), np.zeros(K, np.bool_)
    p, s, x1, x2, h, v = np.empty((6, capacity))
    e, g, low = np.empty(F), np.empty(K, Z.dtype), np.empty(F, Z.dtype)
    order = np.empty(K, np.int64)
    for n in range(first, last):
        a, z = anchor[n], Z[n]
        x2[0] = M[0, 0] = 1.0 / (_dot(C[a], C[a], F) + lam)
        x1[0] = (_dot(C[a], z, F) + lam) * x2[0]
        S[0], p[0], active[a] = a, 1.0, True
        k, taken, nu = 1, 0, (1.0 - x1[0]) / x2[0]
        residual[n] = np.inf
        while taken < max_iter:
            _error(z, C, S, p, k, e)
            for f in range(F):
                low[f] = e[f]
            _all_products(Ct, low, g)
            g[a] -= lam
            complementarity = 0.0
            for i in range(k):
                g[S[i]] += lam * p[i]
                complementarity = max(complementarity, p[i] * abs(g[S[i]] - nu))
            lowest, highest = _extremes(g)
            scale = max(floor, max(abs(lowest), abs(highest)))
            slack = share * tol * scale
            count = 0
            if lowest < nu - slack:
                for c in range(K):
                    if g[c] < nu - slack and not active[c]:
                        order[count] = c
                        count += 1
            if count > _CANDIDATES:
                _smallest_first(order, g, count, _CANDIDATES)
                count = _CANDIDATES
            before = taken
            k, taken, nu = _among(
                order, count, g, slack, nu, z, C, G, lam, a, M, S, p, s, x1, x2, h, v, e, active, k, taken, max_iter
            )
            if k < 0:
                k = -k
                break
            if taken == before:
                residual[n] = max(nu - lowest, complementarity) / scale
                break
        for i in range(k):
            index[n, i], values[n, i] = S[i], p[i]
            active[S[i]] = False
        size[n], steps[n] = k, taken


@njit(nogil=True, cache=True, error_model="numpy")
def _among(order, count, g, slack, nu, z, C, G, lam, a, M, S, p, s, x1, x2, h, v, e, active, k, taken, max_iter):
    """Rounds among the candidates ``order[:count]`` until none would enter.

    Returns the support's size (negative when the method must give up), the steps taken so far, and nu.
    """
    F = z.shape[0]
    fresh = True
    while count > 0 and taken < max_iter:
        if not fresh:
            _error(z, C, S, p, k, e)
            kept = 0
            for i in range(count):
                c = order[i]
                if not active[c]:
                    t = _dot(C[c], e, F)
                    if c == a:
                        t -= lam
                    if t < nu - slack:
                        g[c] = t
                        order[kept] = c
                        kept += 1
            count = kept
        fresh = False
        entering, before = min(_ENTERING, count, max_iter - taken), k
        _smallest_first(order, g, count, entering)
        for r in range(entering):
            # The best of the rest first: after it, the others are often no longer wanted.
            best = r
            for i in range(r + 1, entering):
                if g[order[i]] < g[order[best]]:
                    best = i
            order[r], order[best] = order[best], order[r]
            if k == p.shape[0]:
                return -k, taken, nu
            k = _enter(order[r], z, C, G, lam, a, M, S, p, x1, x2, h, v, active, k)
        if k == before:
            # Only rounding errors would have let any in.
            return k, taken, nu
        taken += k - before
        k, nu = _settle(M, S, p, s, x1, x2, v, active, k)
        if k < 0:
            return k, taken, nu
    return k, taken, nu


@njit(nogil=True, cache=True, error_model="numpy")
def _enter(j, z, C, G, lam, a, M, S, p, x1, x2, h, v, active, k):
    """Codeword j enters with weight 0 if the KKT system of the larger support gives it a positive one."""
    F = z.shape[0]
    if G.shape[0] > 0:
        row = G[j]
        for i in range(k):
            h[i] = row[S[i]]
        diagonal = row[j] + lam
    else:
        for i in range(k):
            h[i] = _dot(C[S[i]], C[j], F)
        diagonal = _dot(C[j], C[j], F) + lam
    q = _dot(C[j], z, F)
    if j == a:
        q += lam
    _times(M, h, k, v)
    pivot = diagonal - _dot(h, v, k)
    t1, t2 = (q - _dot(h, x1, k)) / pivot, (1.0 - _dot(h, x2, k)) / pivot
    rest = 1.0 - _sum(v, k)
    theta = (_sum(x1, k) + t1 * rest - 1.0) / (_sum(x2, k) + t2 * rest)
    if not (pivot > 0.0 and t1 - theta * t2 > 0.0):
        return k
    _rank_one(M, v, 1.0 / pivot, k)
    for i in range(k):
        M[i, k] = M[k, i] = -v[i] / pivot
        x1[i] -= t1 * v[i]
        x2[i] -= t2 * v[i]
    M[k, k] = 1.0 / pivot
    S[k], p[k], x1[k], x2[k], active[j] = j, 0.0, t1, t2, True
    return k + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _settle(M, S, p, s, x1, x2, v, active, k):
    """Moves p to the weights that solve the KKT system of the support, dropping what would turn negative on the way.

    Every step lowers the objective. Returns the support's size (negative after a breakdown) and nu.
    """
    while True:
        theta = (_sum(x1, k) - 1.0) / _sum(x2, k)
        length, positive = 1.0, True
        for i in range(k):
            s[i] = x1[i] - theta * x2[i]
            if not s[i] > 0.0:
                positive = False
                length = min(length, p[i] / (p[i] - s[i]) if p[i] > 0.0 else 0.0)
        if positive:
            for i in range(k):
                p[i] = s[i]
            return k, -theta
        before = k
        for i in range(k - 1, -1, -1):
            leaves = not s[i] > 0.0 and (not p[i] > 0.0 or p[i] / (p[i] - s[i]) <= length)
            p[i] += length * (s[i] - p[i])
            if leaves and k > 1:
                k = _drop(i, M, S, p, s, x1, x2, v, active, k)
        if k == before:
            return -k, -theta


@njit(nogil=True, cache=True, error_model="numpy")
def _drop(i, M, S, p, s, x1, x2, v, active, k):
    """The i-th codeword leaves; the last one takes its place."""
    pivot = M[i, i]
    for r in range(k):
        v[r] = M[i, r]
    _rank_one(M, v, -1.0 / pivot, k)
    t1, t2 = x1[i] / pivot, x2[i] / pivot
    for r in range(k):
        x1[r] -= t1 * v[r]
        x2[r] -= t2 * v[r]
    active[S[i]] = False
    k -= 1
    if i != k:
        for r in range(k):
            M[i, r] = M[k, r]
        M[i, i] = M[k, k]
        for r in range(k):
            M[r, i] = M[i, r]
        S[i], p[i], s[i], x1[i], x2[i] = S[k], p[k], s[k], x1[k], x2[k]
    return k


@njit(nogil=True, cache=True, error_model="numpy")
def _smallest_first(order, g, count, size):
    """Moves the ``size`` entries of ``order[:count]`` with the smallest g to the front, by Hoare's selection."""
    low, high = 0, count - 1
    while low < high:
        pivot = g[order[(low + high) // 2]]
        i, j = low, high
        while i <= j:
            while g[order[i]] < pivot:
                i += 1
            while g[order[j]] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if size - 1 <= j:
            high = j
        elif size - 1 >= i:
            low = i
        else:
            return


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _error(z, C, S, p, k, e):
    """e = C_S^T p - z, four codewords at a time."""
    F = z.shape[0]
    for f in range(F):
        e[f] = -np.float64(z[f])
    i = 0
    while i + 4 <= k:
        c0, c1, c2, c3 = C[S[i]], C[S[i + 1]], C[S[i + 2]], C[S[i + 3]]
        p0, p1, p2, p3 = p[i], p[i + 1], p[i + 2], p[i + 3]
        for f in range(F):
            e[f] += p0 * c0[f] + p1 * c1[f] + p2 * c2[f] + p3 * c3[f]
        i += 4
    while i < k:
        c0, p0 = C[S[i]], p[i]
        for f in range(F):
            e[f] += p0 * c0[f]
        i += 1


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _all_products(Ct, e, g):
    """g = C e over all codewords, four features at a time."""
    F, K = Ct.shape
    row, x = Ct[0], e[0]
    for k in range(K):
        g[k] = x * row[k]
    f = 1
    while f + 4 <= F:
        x0, x1, x2, x3 = e[f], e[f + 1], e[f + 2], e[f + 3]
        r0, r1, r2, r3 = Ct[f], Ct[f + 1], Ct[f + 2], Ct[f + 3]
        for k in range(K):
            g[k] += x0 * r0[k] + x1 * r1[k] + x2 * r2[k] + x3 * r3[k]
        f += 4
    while f < F:
        row, x = Ct[f], e[f]
        for k in range(K):
            g[k] += x * row[k]
        f += 1


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _times(M, h, k, v):
    """v = M h, four rows at a time."""
    i = 0
    while i + 4 <= k:
        t0 = t1 = t2 = t3 = 0.0
        m0, m1, m2, m3 = M[i], M[i + 1], M[i + 2], M[i + 3]
        for j in range(k):
            x = h[j]
            t0 += m0[j] * x
            t1 += m1[j] * x
            t2 += m2[j] * x
            t3 += m3[j] * x
        v[i], v[i + 1], v[i + 2], v[i + 3] = t0, t1, t2, t3
        i += 4
    while i < k:
        t0, m0 = 0.0, M[i]
        for j in range(k):
            t0 += m0[j] * h[j]
        v[i] = t0
        i += 1


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _rank_one(M, v, scale, k):
    """M += scale v v^T."""
    for i in range(k):
        w, row = scale * v[i], M[i]
        for j in range(k):
            row[j] += w * v[j]


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _dot(x, y, n):
    total = 0.0
    for i in range(n):
        total += x[i] * np.float64(y[i])
    return total


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _sum(x, n):
    total = 0.0
    for i in range(n):
        total += x[i]
    return total


# A minimum needs "nnan" to be found with vector instructions; no control flow depends on it here.
@njit(nogil=True, cache=True, fastmath=_FAST | {"nnan", "ninf"}, error_model="numpy")
def _extremes(g):
    lowest = highest = g[0]
    for k in range(g.shape[0]):
        lowest = min(lowest, g[k])
        highest = max(highest, g[k])
    return lowest, highest
