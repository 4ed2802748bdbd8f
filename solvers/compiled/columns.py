"""The active-set method on a few columns at a time, compiled: the CPU path of ``active_set``.

Passes over the codebook are made in the dtype of the latents for up to ``SLOTS`` columns at once, so that the codebook
is read once for all of them; the rounds between two passes belong to one column. The error C^T p - z of a pass and the
weights p are float64 whatever the dtype: what a pass can certify depends on them.
"""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from scq.solvers.compiled.cache import kernel
from scq.solvers.compiled.gradient import error, gradient_on_support, kkt_residual, still_violating
from scq.solvers.compiled.inverse import (
    ENTERING,
    HELPER,
    JIT,
    Codebook,
    Column,
    Work,
    clear,
    correct,
    enter,
    leave,
    rebuild,
    start,
)
from scq.solvers.compiled.lanes import (
    BYTES,
    add,
    at,
    axpy,
    below,
    lanes,
    load,
    load_double,
    padded,
    pointer,
    splat,
    store,
    total,
)
from scq.solvers.compiled.search import CANDIDATES, best_first, candidates, crowded, extremes, products_of_four, worst
from scq.solvers.compiled.tensors import CPU

BOLD = 0.1
"""Codewords that enter violate optimality by at least this share of what the worst one does."""

REFINED = 2
"""Steps of iterative refinement after which M is built anew, and as many again after which rounding errors are all that
is left."""

UPDATES = 256
"""Codewords that enter until M is built anew in any case: where so many do, rounding errors may lead in circles."""

SLOTS = 4
"""Columns that share a pass."""


def scratch(capacity: int, K: int, F: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """What :func:`solve_columns` works on, for supports of at most ``capacity`` codewords."""
    w = BYTES // dtype.itemsize
    ld, Kp, Fp = _row_length(capacity, w), padded(K), padded(F)
    real = 2 * ENTERING * ld + ld + 2 * w + CANDIDATES + w + SLOTS * (capacity * ld + 2 * ld + Kp + Fp)
    return (
        torch.zeros(real, dtype=dtype, device=CPU),
        torch.zeros(SLOTS * (ld + Fp), dtype=torch.float64, device=CPU),
        torch.zeros(CANDIDATES + SLOTS * (ld + 4), dtype=torch.long, device=CPU),
    )


def _row_length(capacity, w):
    """The row length of M: whole vectors, and one more, so that rows do not all fall on the same sets of the cache."""
    return (capacity + w - 1) // w * w + w


_ld = njit(**HELPER)(_row_length)


@kernel(**JIT)
def solve_columns(
    first,
    last,
    Z,
    C,
    tiles,
    G,
    lam,
    anchor,
    tol,
    floor,
    resolution,
    max_iter,
    rounds,
    index,
    values,
    size,
    steps,
    residual,
    close,
    real,
    double,
    numbers,
):
    """Solves columns first to last - 1 into rows 0 to last - first - 1 of the results.

    Args:
        Z, C: latents (N, Fp) and codebook (K, Fp), padded with zeros to whole vectors.
        tiles: the codebook for passes, see :func:`scq.solvers.compiled.tensors.tiled`.
        G: (K, K) products of codewords, or (0, 0) to compute them as needed.
        lam, anchor: regularisation weight, and codeword numbers (N,).
        tol, floor: codewords enter while the dual residual exceeds tol * max(floor, max_k |g_k|).
        resolution: the share of max_k |g_k| that rounding errors may make of a multiplier.
        max_iter: (N,) codewords that may enter, those that leave again included.
        rounds: solves on the support between two passes.
        index, values, size: written: (n, S) supports and weights, 0 in unused places, and how many there are.
        steps: written: codewords that entered.
        residual: written: the relative KKT residual over all K; infinite where the method gave up.
        close: written: whether rounding errors may have decided which codewords are in the support.
        real, double, numbers: what :func:`scratch` returns; left all 0.
    """
    K, Fp = C.shape
    F, Kp = tiles.shape[1], tiles.shape[0] * tiles.shape[2]
    book = Codebook(pointer(C), pointer(tiles), pointer(G), K, Kp, F, Fp, G.shape[0] > 0, lam)
    latents, w, capacity = pointer(Z), lanes(pointer(C)), index.shape[1]
    ld = _ld(capacity, w)
    h = pointer(real)
    v = at(h, ENTERING * ld)
    s = at(v, ENTERING * ld)
    scale = at(s, ld)
    violation = at(scale, 2 * w)
    low = at(violation, CANDIDATES + w)
    slots, stride = at(low, SLOTS * Fp), capacity * ld + 2 * ld + Kp
    g = at(slots, capacity * ld + 2 * ld)
    p = pointer(double)
    e = at(p, SLOTS * ld)
    order = pointer(numbers)
    S = at(order, CANDIDATES)
    # Of each slot: its column or -1, the support's size, the steps taken, the refinements since the last step.
    owner = at(S, SLOTS * ld)
    sizes, taken, refined = at(owner, SLOTS), at(owner, 2 * SLOTS), at(owner, 3 * SLOTS)
    work = Work(h, v, s, scale, ld, capacity)
    following, live = first, 0
    for slot in range(SLOTS):
        owner[slot] = -1
    while live > 0 or following < last:
        for slot in range(SLOTS):
            fresh = owner[slot] < 0 and following < last
            if fresh:
                owner[slot] = following
                following, live = following + 1, live + 1
            n = owner[slot]
            if n >= 0:
                column = _column(at(latents, n * Fp), anchor[n], at(slots, slot * stride), p, S, slot, work)
                if fresh:
                    sizes[slot], taken[slot], refined[slot] = start(book, column), 0, 0
                error(book, column, sizes[slot], at(e, slot * Fp), at(low, slot * Fp))
        products_of_four(book.tiles, F, Kp, low, Fp, g, stride)
        for slot in range(SLOTS):
            n = owner[slot]
            if n < 0:
                continue
            column = _column(at(latents, n * Fp), anchor[n], at(slots, slot * stride), p, S, slot, work)
            k, taken[slot], refined[slot], done, reached, near = _step(
                book,
                column,
                work,
                at(g, slot * stride),
                at(e, slot * Fp),
                at(low, slot * Fp),
                order,
                violation,
                sizes[slot],
                taken[slot],
                refined[slot],
                tol,
                floor,
                resolution,
                max_iter[n],
                rounds,
            )
            sizes[slot] = k
            if done:
                r = n - first
                residual[r], size[r], steps[r] = reached, k, taken[slot]
                close[r] = near
                for i in range(k):
                    index[r, i], values[r, i] = column.S[i], column.p[i]
                for i in range(k, capacity):
                    index[r, i], values[r, i] = 0, 0.0
                clear(column, work, k)
                owner[slot] = -1
                live -= 1


@njit(**HELPER)
def _column(z, anchor, slot_start, p, S, slot, work):
    x1 = at(slot_start, work.capacity * work.ld)
    return Column(z, anchor, slot_start, at(p, slot * work.ld), x1, at(x1, work.ld), at(S, slot * work.ld))


@njit(**HELPER)
def _step(book, column, work, g, e, low, order, violation, k, taken, refined, tol, floor, resolution, max_iter, rounds):
    """What follows a pass: the column is finished, or its support changes, or its weights are refined.

    Returns the support's size, the steps taken, the refinements since the last step, whether the column is finished,
    the relative KKT residual (infinite where the method gave up), and whether rounding errors may have decided about a
    codeword.
    """
    nu, spread, complementarity = gradient_on_support(book, column, work, g, k)
    lowest_g, highest_g = extremes(g, book.Kp)
    scale = max(floor, max(abs(lowest_g), abs(highest_g)))
    # On the support g is nu up to rounding: how far it is from it tells what else is rounding.
    slack = max(tol * scale, 2.0 * spread)
    before = taken
    if lowest_g < nu - slack and taken < max_iter:
        threshold = nu - max(slack, BOLD * (nu - lowest_g))
        if rounds == 1:
            count = worst(book, g, threshold, order, violation)
        else:
            count = candidates(book, g, threshold, lowest_g, order, violation)
        for r in range(rounds):
            if r > 0:
                count = still_violating(book, column, work, low, k, order, violation, count, nu - slack)
            if count == 0 or taken >= max_iter:
                break
            count, chosen = best_first(order, violation, count, min(ENTERING, max_iter - taken))
            if k + chosen > work.capacity:
                return k, taken, refined, True, np.inf, False
            grown = enter(at(order, count), chosen, book, column, work, k, False)
            if grown == k:
                break
            taken += grown - k
            k, nu = _settle(column, work, grown)
            if k < 0:
                return -k, taken, refined, True, np.inf, False
    if taken > before:
        sound = taken // UPDATES == before // UPDATES or rebuild(book, column, work, k)
        return k, taken, 0, taken >= max_iter or not sound, np.inf, False
    if spread <= tol * scale or refined >= 2 * REFINED:
        error = max(resolution * scale, 2.0 * spread)
        # Below the slack: one that did not enter, since its weight came out at 0 or less.
        near = lowest_g < nu - slack or _near(column, work, g, book.K, k, nu, error)
        return k, taken, refined, True, max(nu - lowest_g, complementarity) / scale, resolution > 0.0 and near
    if refined == REFINED and not rebuild(book, column, work, k):
        return k, taken, refined, True, np.inf, False
    kkt_residual(book, column, work, e, k)
    correct(column, work, k)
    before = k
    for i in range(k - 1, -1, -1):
        # A weight that rounding errors had made positive.
        if not column.p[i] > 0.0 and k > 1:
            k = leave(i, column, work, k)
    if k == before:
        return k, taken, refined + 1, False, np.inf, False
    k, nu = _settle(column, work, k)
    return abs(k), taken, 0, k < 0, np.inf, False


@njit(**HELPER)
def _near(column, work, g, K, k, nu, error):
    """Whether an error in the gradient could take a codeword out of the support, or bring one in.

    A weight is 0 where the gradient of its codeword grows by the weight over its entry of M's diagonal.
    """
    for i in range(k):
        if column.p[i] <= error * column.M[i * work.ld + i] and k > 1:
            return True
    return crowded(g, K, nu + error, k)


@njit(**HELPER)
def _settle(column, work, k):
    """Moves p to the weights that solve the KKT system of the support, dropping what would turn negative on the way.

    Every step lowers the objective. Returns the support's size (negative after a breakdown) and nu.
    """
    p, s, x1, x2 = column.p, work.s, column.x1, column.x2
    w, zero = lanes(s), splat(s, 0.0)
    while True:
        sum1, sum2, i = zero, zero, 0
        while i < k:
            sum1, sum2 = add(load(x1, i), sum1), add(load(x2, i), sum2)
            i += w
        theta = (total(sum1) - 1.0) / total(sum2)
        inside, i = True, 0
        while i < k:
            x = axpy(-theta, load(x2, i), load(x1, i))
            store(s, i, x)
            used = (1 << min(w, k - i)) - 1
            inside &= below(zero, x) & used == used
            i += w
        if inside:
            i = 0
            while i < k:
                store(p, i, load_double(s, i))
                i += lanes(p)
            return k, -theta
        length = 1.0
        for i in range(k):
            if not s[i] > 0.0:
                length = min(length, p[i] / (p[i] - s[i]) if p[i] > 0.0 else 0.0)
        before = k
        for i in range(k - 1, -1, -1):
            leaves = not s[i] > 0.0 and (not p[i] > 0.0 or p[i] / (p[i] - s[i]) <= length)
            p[i] += length * (s[i] - p[i])
            if leaves and k > 1:
                k = leave(i, column, work, k)
        if k == before:
            return -k, -theta
