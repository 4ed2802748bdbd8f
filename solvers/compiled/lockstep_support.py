"""Lockstep: the supports of 16 columns and the inverses of their matrices, a lane each. Compiled.

M, x1 and x2 are those of :mod:`scq.solvers.compiled.inverse`. Of slots that a column does not use, M, x1, x2 and the
weight are 0, and the codeword is any.
"""

from collections import namedtuple

from numba import njit

from scq.solvers.compiled.inverse import HELPER, dot
from scq.solvers.compiled.lanes import add, at, below, first_bit, fma, load, splat, store
from scq.solvers.compiled.masks import blend, div, mul, sub, transposed

LANES = 16

ALL = (1 << LANES) - 1
"""The bits of all lanes."""

SLOTS = 32
"""Codewords that a column's support may hold."""

FULL = (1 << SLOTS) - 1

TRIANGLE = SLOTS * (SLOTS + 1) // 2

Book = namedtuple("Book", "C tiles squares Kp F Fp lam")
"""Pointers to the codebook (K, Fp), the same in tiles, and the squared lengths of codewords; sizes; lam."""

Group = namedtuple("Group", "M CS p x1 x2 h u s gs z e c found")
"""Pointers to what 16 columns have, a vector an entry: of M the lower triangle, row by row; their codewords
(SLOTS, F); over the slots weights, x1, x2, scratch and gradients; latents, errors C^T p - z, and a codeword each that
may enter, twice as h and u are there twice; what a pass found, and scratch."""

Support = namedtuple("Support", "S used occupied anchored taken hidden anchor")
"""Pointers to integers: of each slot and lane the codeword; of each lane the bits of its slots in use; of each slot the
bits of the lanes that use it, that have their anchor there, and that are taking it; of each codeword the bits of the
lanes that a pass hides it from, as one of the support or the anchor; of each lane the anchor."""


@njit(**HELPER)
def arrays(real, numbers, F, Fp, Kp):
    step = LANES * SLOTS
    CS = at(real, LANES * TRIANGLE)
    p = at(CS, step * F)
    z = at(p, 9 * step)
    g = Group(
        real,
        CS,
        p,
        at(p, step),
        at(p, 2 * step),
        at(p, 3 * step),
        at(p, 5 * step),
        at(p, 7 * step),
        at(p, 8 * step),
        z,
        at(z, LANES * Fp),
        at(z, 2 * LANES * Fp),
        at(z, 4 * LANES * Fp),
    )
    used = at(numbers, step)
    occupied = at(used, LANES)
    anchored = at(occupied, SLOTS)
    taken = at(anchored, SLOTS)
    hidden = at(taken, SLOTS)
    anchor = at(hidden, Kp)
    owner = at(anchor, LANES)
    b = Support(numbers, used, occupied, anchored, taken, hidden, anchor)
    return g, b, owner, at(owner, LANES), at(owner, 2 * LANES), at(owner, 3 * LANES)


@njit(**HELPER)
def length(b):
    """The slots up to the last one that any lane uses."""
    union, n = 0, 0
    for lane in range(LANES):
        union |= b.used[lane]
    while union >> n:
        n += 1
    return n


@njit(**HELPER)
def start(z, a, book, g, b, lane):
    """The lane begins a column with the support {anchor}, in slot 0."""
    c = at(book.C, a * book.Fp)
    for f in range(book.F):
        g.z[f * LANES + lane], g.CS[f * LANES + lane] = z[f], c[f]
    inverse = 1.0 / (book.squares[a] + book.lam)
    g.M[lane], g.x2[lane] = inverse, inverse
    g.x1[lane] = (dot(c, z, book.Fp) + book.lam) * inverse
    g.p[lane] = 1.0
    b.S[lane], b.used[lane], b.anchor[lane] = a, 1, a
    b.occupied[0] |= 1 << lane
    b.anchored[0] |= 1 << lane
    b.hidden[a] |= 1 << lane


@njit(**HELPER)
def enter(lanes, places, chosen, book, g, b, n):
    """The codewords whose numbers ``places`` holds, one for each bit of ``lanes[0]`` and then one for each of
    ``lanes[1]``, enter with weight 0: each if the KKT system of the support so enlarged gives it a positive weight.
    Returns the lanes where the first and where the second did.

    M is read once for both and written once: what the first changes reaches the second through the vectors alone,
    (M + factor u u^T) h = M h + factor (u^T h) u.
    """
    first, second = lanes
    F, step = book.F, SLOTS * LANES
    h, u, after, other, c = g.h, g.u, at(g.h, step), at(g.u, step), g.c
    slots, d = at(chosen, 2 * LANES), at(c, book.Fp * LANES)
    zero = splat(h, 0.0)
    for lane in range(LANES):
        chosen[lane] = int(places[lane]) if first >> lane & 1 else 0
        chosen[LANES + lane] = int(places[LANES + lane]) if second >> lane & 1 else 0
    for block in range(0, F, LANES):
        transposed(at(book.C, block), chosen, book.Fp, at(c, block * LANES))
        transposed(at(book.C, block), at(chosen, LANES), book.Fp, at(c, (book.Fp + block) * LANES))
    products(g.CS, F, book.Fp, c, h, n)
    _times(g, n)
    first, factor, t1, t2 = _test(first, chosen, c, h, u, book, g, b, n)
    _take(first, chosen, c, u, slots, book, g, b)
    n = length(b)
    _move(g, u, t1, t2, n)
    cross, alpha = zero, zero
    for f in range(F):
        cross = fma(load(c, f * LANES), load(d, f * LANES), cross)
    store(g.found, 5 * LANES, cross)
    bits = first & second
    while bits != 0:
        lane = first_bit(bits)
        bits &= bits - 1
        after[slots[lane] * LANES + lane] = g.found[5 * LANES + lane]
    for i in range(n):
        alpha = fma(load(u, i * LANES), load(after, i * LANES), alpha)
    alpha = mul(alpha, factor)
    for i in range(n):
        store(other, i * LANES, fma(alpha, load(u, i * LANES), load(other, i * LANES)))
    second, more, t1, t2 = _test(second, at(chosen, LANES), d, after, other, book, g, b, n)
    _take(second, at(chosen, LANES), d, other, slots, book, g, b)
    n = length(b)
    _move(g, other, t1, t2, n)
    _change(g, factor, more, n)
    return first, second


@njit(**HELPER)
def _test(lanes, chosen, c, h, u, book, g, b, n):
    """The lanes in which the codewords c get a positive weight, and what M, x1 and x2 change by there: 0 elsewhere."""
    zero, one = splat(h, 0.0), splat(h, 1.0)
    pivots = at(g.found, 5 * LANES)
    free, own = 0, 0
    for lane in range(LANES):
        j = chosen[lane]
        pivots[lane] = book.squares[j] + book.lam
        free |= (b.used[lane] != FULL) << lane
        own |= (j == b.anchor[lane]) << lane
    q = zero
    for f in range(book.F):
        q = fma(load(c, f * LANES), load(g.z, f * LANES), q)
    q = blend(own, add(q, splat(h, book.lam)), q)
    hu, h1, h2, ones, sum1, sum2 = zero, zero, zero, zero, zero, zero
    for i in range(n):
        hs, us, x1, x2 = load(h, i * LANES), load(u, i * LANES), load(g.x1, i * LANES), load(g.x2, i * LANES)
        hu, h1, h2 = fma(hs, us, hu), fma(hs, x1, h1), fma(hs, x2, h2)
        ones, sum1, sum2 = add(us, ones), add(x1, sum1), add(x2, sum2)
    pivot = sub(load(pivots, 0), hu)
    inverse = div(one, pivot)
    t1, t2, rest = mul(sub(q, h1), inverse), mul(sub(one, h2), inverse), sub(one, ones)
    # The weight is t1 - theta t2, theta the first of these by the second, which is 1^T M 1 > 0.
    above, under = sub(fma(t1, rest, sum1), one), fma(t2, rest, sum2)
    entering = below(zero, pivot) & below(mul(above, t2), mul(t1, under)) & lanes & free
    return entering, blend(entering, inverse, zero), blend(entering, t1, zero), blend(entering, t2, zero)


@njit(**HELPER)
def _take(lanes, chosen, c, u, slots, book, g, b):
    """The codewords c get a slot each, where u becomes -1; ``slots`` says which."""
    F, touched, minus = book.F, 0, splat(u, -1.0)
    bits = lanes
    while bits != 0:
        lane = first_bit(bits)
        bits &= bits - 1
        i, j = first_bit(~b.used[lane]), chosen[lane]
        slots[lane] = i
        b.S[i * LANES + lane] = j
        b.used[lane] |= 1 << i
        b.anchored[i] |= (j == b.anchor[lane]) << lane
        b.hidden[j] |= 1 << lane
        b.taken[i] |= 1 << lane
        touched |= 1 << i
    while touched != 0:
        i = first_bit(touched)
        touched &= touched - 1
        mine, to = b.taken[i], at(g.CS, i * F * LANES)
        b.taken[i] = 0
        b.occupied[i] |= mine
        store(u, i * LANES, blend(mine, minus, load(u, i * LANES)))
        for f in range(0, F * LANES, LANES):
            store(to, f, blend(mine, load(c, f), load(to, f)))


@njit(**HELPER)
def products(rows, F, Fp, x, h, n):
    """h_i = row i . x of n rows of F vectors for two x, two rows at a time: the second x is Fp vectors after the first,
    its h SLOTS."""
    zero, y, k = splat(h, 0.0), at(x, Fp * LANES), at(h, SLOTS * LANES)
    for i in range(0, n, 2):
        c0 = at(rows, i * F * LANES)
        c1 = at(c0, F * LANES)
        a0, a1, b0, b1 = zero, zero, zero, zero
        for f in range(0, F * LANES, LANES):
            r0, r1, xf, yf = load(c0, f), load(c1, f), load(x, f), load(y, f)
            a0, a1, b0, b1 = fma(r0, xf, a0), fma(r1, xf, a1), fma(r0, yf, b0), fma(r1, yf, b1)
        store(h, i * LANES, a0)
        store(h, (i + 1) * LANES, a1)
        store(k, i * LANES, b0)
        store(k, (i + 1) * LANES, b1)


@njit(**HELPER)
def settle(moving, g, b):
    """Moves the weights of those lanes to the ones that solve the KKT system of the support, dropping what would turn
    negative on the way; every step lowers the objective. Returns the lanes where that breaks down."""
    places = at(g.found, 6 * LANES)
    zero, one, none = splat(places, 0.0), splat(places, 1.0), splat(places, -1.0)
    lost, n = 0, length(b)
    while moving != 0:
        sum1, sum2 = zero, zero
        for i in range(n):
            sum1, sum2 = add(load(g.x1, i * LANES), sum1), add(load(g.x2, i * LANES), sum2)
        theta = div(sub(one, sum1), sum2)
        step, place, negative = splat(places, 2.0), none, 0
        for i in range(n):
            s = fma(theta, load(g.x2, i * LANES), load(g.x1, i * LANES))
            store(g.s, i * LANES, s)
            leaves = ~below(zero, s) & b.occupied[i] & moving
            if leaves != 0:
                p = load(g.p, i * LANES)
                share = blend(below(zero, p), div(p, sub(p, s)), zero)
                nearest = below(share, step) & leaves
                step, place = blend(nearest, share, step), blend(nearest, splat(places, i), place)
                negative |= leaves
        inside = moving & ~negative
        for i in range(n):
            p, s = load(g.p, i * LANES), load(g.s, i * LANES)
            if negative:
                p = blend(negative, fma(step, sub(s, p), p), p)
            store(g.p, i * LANES, blend(inside, s, p))
        moving = negative
        if moving != 0:
            store(places, 0, place)
            for lane in range(LANES):
                if moving >> lane & 1 and (places[lane] < 0.0 or b.used[lane] & (b.used[lane] - 1) == 0):
                    lost |= 1 << lane
            moving &= ~lost
            _leave(moving, places, g, b, n)
    return lost


@njit(**HELPER)
def _leave(lanes, places, g, b, n):
    """In those lanes the codeword in the slot that ``places`` holds leaves."""
    u, factor, t1, t2 = g.u, at(places, LANES), at(places, 2 * LANES), at(places, 3 * LANES)
    zero = splat(u, 0.0)
    store(factor, 0, zero)
    store(t1, 0, zero)
    store(t2, 0, zero)
    for i in range(n):
        store(u, i * LANES, zero)
        store(u, (SLOTS + i) * LANES, zero)
    bits = lanes
    while bits != 0:
        lane = first_bit(bits)
        bits &= bits - 1
        i = int(places[lane])
        for j in range(n):
            u[j * LANES + lane] = g.M[_entry(i, j) * LANES + lane]
        inverse = 1.0 / u[i * LANES + lane]
        factor[lane], t1[lane], t2[lane] = -inverse, g.x1[i * LANES + lane] * inverse, g.x2[i * LANES + lane] * inverse
    _move(g, u, load(t1, 0), load(t2, 0), n)
    _change(g, load(factor, 0), zero, n)
    bits = lanes
    while bits != 0:
        lane = first_bit(bits)
        bits &= bits - 1
        i = int(places[lane])
        for j in range(n):
            g.M[_entry(i, j) * LANES + lane] = 0.0
        g.x1[i * LANES + lane], g.x2[i * LANES + lane], g.p[i * LANES + lane] = 0.0, 0.0, 0.0
        b.used[lane] &= ~(1 << i)
        b.occupied[i] &= ~(1 << lane)
        b.anchored[i] &= ~(1 << lane)
        if b.S[i * LANES + lane] != b.anchor[lane]:
            b.hidden[b.S[i * LANES + lane]] &= ~(1 << lane)


@njit(**HELPER)
def _entry(i, j):
    return i * (i + 1) // 2 + j if j <= i else j * (j + 1) // 2 + i


@njit(**HELPER)
def refine(lanes, nu, g, b, n):
    """p += M r - theta x2 with the residual r = nu - g of the KKT system and theta such that the sum of p stays: one
    step of iterative refinement. Returns the lanes where a weight is not positive any more."""
    zero = splat(g.h, 0.0)
    for i in range(n):
        store(g.h, i * LANES, blend(b.occupied[i] & lanes, sub(nu, load(g.gs, i * LANES)), zero))
        store(g.h, (SLOTS + i) * LANES, zero)
    if n % 2:
        store(g.h, n * LANES, zero)
        store(g.h, (SLOTS + n) * LANES, zero)
    _times(g, n)
    sum1, sum2 = zero, zero
    for i in range(n):
        sum1, sum2 = add(load(g.u, i * LANES), sum1), add(load(g.x2, i * LANES), sum2)
    theta, lost = div(sum1, sum2), 0
    for i in range(n):
        p = load(g.p, i * LANES)
        moved = add(p, sub(load(g.u, i * LANES), mul(theta, load(g.x2, i * LANES))))
        store(g.p, i * LANES, blend(lanes, moved, p))
        lost |= ~below(zero, moved) & b.occupied[i] & lanes
    return lost


@njit(**HELPER)
def weights_near(error, g, b, n):
    """The lanes where an error in the gradient could take a codeword out of the support: a weight is 0 where the
    gradient of its codeword grows by the weight over its entry of M's diagonal."""
    near, several = 0, 0
    for i in range(n):
        diagonal = load(g.M, _entry(i, i) * LANES)
        near |= ~below(mul(error, diagonal), load(g.p, i * LANES)) & b.occupied[i]
    for lane in range(LANES):
        several |= (b.used[lane] & (b.used[lane] - 1) != 0) << lane
    return near & several


@njit(**HELPER)
def write(index, values, r, g, b, lane):
    """Row r of the results gets the support and the weights of the lane, which is free then. Returns their number."""
    k, total, bits = 0, 0.0, b.used[lane]
    while bits != 0:
        i = first_bit(bits)
        bits &= bits - 1
        index[r, k], values[r, k] = b.S[i * LANES + lane], g.p[i * LANES + lane]
        total += values[r, k]
        k += 1
        b.occupied[i] &= ~(1 << lane)
        b.anchored[i] &= ~(1 << lane)
        b.hidden[b.S[i * LANES + lane]] &= ~(1 << lane)
    b.hidden[b.anchor[lane]] &= ~(1 << lane)
    b.used[lane] = 0
    # In float64, as the sum is that of float32 weights.
    for i in range(k):
        values[r, i] /= total
    for i in range(k, index.shape[1]):
        index[r, i], values[r, i] = 0, 0.0
    return k


@njit(**HELPER)
def clear(lanes, g, n):
    """Zeros in those lanes, for the next columns."""
    zero = splat(g.M, 0.0)
    for i in range(_entry(n, 0)):
        store(g.M, i * LANES, blend(lanes, zero, load(g.M, i * LANES)))
    for i in range(n):
        store(g.p, i * LANES, blend(lanes, zero, load(g.p, i * LANES)))
        store(g.x1, i * LANES, blend(lanes, zero, load(g.x1, i * LANES)))
        store(g.x2, i * LANES, blend(lanes, zero, load(g.x2, i * LANES)))


@njit(**HELPER)
def _times(g, n):
    """u = M h of the lower triangle, for two h and two u, SLOTS vectors apart, two rows at a time; and zeros in the
    places after them that codewords may enter."""
    M, h, u, step = g.M, g.h, g.u, SLOTS * LANES
    k, v = at(h, step), at(u, step)
    zero = splat(u, 0.0)
    for i in range(n, min(n + 4, SLOTS)):
        store(u, i * LANES, zero)
        store(v, i * LANES, zero)
        store(k, i * LANES, zero)
    for i in range(0, n, 2):
        r0 = at(M, LANES * (i * (i + 1) // 2))
        r1 = at(r0, LANES * (i + 1))
        h0, h1, k0, k1 = load(h, i * LANES), load(h, (i + 1) * LANES), load(k, i * LANES), load(k, (i + 1) * LANES)
        a0, a1, b0, b1 = zero, zero, zero, zero
        for j in range(0, i * LANES, LANES):
            m0, m1, hj, kj = load(r0, j), load(r1, j), load(h, j), load(k, j)
            a0, a1, b0, b1 = fma(m0, hj, a0), fma(m1, hj, a1), fma(m0, kj, b0), fma(m1, kj, b1)
            store(u, j, fma(m1, h1, fma(m0, h0, load(u, j))))
            store(v, j, fma(m1, k1, fma(m0, k0, load(v, j))))
        m, low, high = load(r1, i * LANES), load(r0, i * LANES), load(r1, (i + 1) * LANES)
        store(u, i * LANES, fma(m, h1, fma(low, h0, a0)))
        store(v, i * LANES, fma(m, k1, fma(low, k0, b0)))
        store(u, (i + 1) * LANES, fma(high, h1, fma(m, h0, a1)))
        store(v, (i + 1) * LANES, fma(high, k1, fma(m, k0, b1)))


@njit(**HELPER)
def _move(g, u, t1, t2, n):
    """x1 -= t1 u, x2 -= t2 u."""
    for i in range(0, n * LANES, LANES):
        x = load(u, i)
        store(g.x1, i, sub(load(g.x1, i), mul(t1, x)))
        store(g.x2, i, sub(load(g.x2, i), mul(t2, x)))


@njit(**HELPER)
def _change(g, factor, more, n):
    """M += factor u u^T + more v v^T, v the vectors SLOTS after u, two rows at a time."""
    M, u, v = g.M, g.u, at(g.u, SLOTS * LANES)
    if n % 2:
        store(u, n * LANES, splat(u, 0.0))
        store(v, n * LANES, splat(u, 0.0))
    for i in range(0, n, 2):
        r0 = at(M, LANES * (i * (i + 1) // 2))
        r1 = at(r0, LANES * (i + 1))
        u1, v1 = load(u, (i + 1) * LANES), load(v, (i + 1) * LANES)
        a0, b0, a1, b1 = mul(factor, load(u, i * LANES)), mul(more, load(v, i * LANES)), mul(factor, u1), mul(more, v1)
        for j in range(0, (i + 1) * LANES, LANES):
            x, y = load(u, j), load(v, j)
            store(r0, j, fma(b0, y, fma(a0, x, load(r0, j))))
            store(r1, j, fma(b1, y, fma(a1, x, load(r1, j))))
        last = (i + 1) * LANES
        store(r1, last, fma(b1, v1, fma(a1, u1, load(r1, last))))
