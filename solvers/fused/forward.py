"""The active-set method, one column a program. Triton."""

import triton
import triton.language as tl

from scq.solvers.fused.parts import cleared, combined, inner, pivot, products, times

# What has become of a column; zeros stand for a column that nothing was done to.
TODO = tl.constexpr(0)
OVERFLOW = tl.constexpr(1)  # its support outgrew the places that there were
BROKEN = tl.constexpr(2)  # rounding errors defeated it, or its steps ran out
CLOSE = tl.constexpr(3)  # certified; rounding errors may have decided which codewords are in the support
DONE = tl.constexpr(4)  # certified

CANDIDATES = tl.constexpr(32)
"""Codewords that a pass keeps: the worst violator of each residue class."""

ENTERING = tl.constexpr(4)
"""Codewords that may enter between two solves on the support."""

BOLD = tl.constexpr(0.1)
"""Codewords that enter violate optimality by at least this share of what the worst one of the last pass did."""

BESIDE = tl.constexpr(0.3)
"""And those that enter together with another by at least this share of what that one does."""

REFINED = tl.constexpr(3)
"""Steps of iterative refinement that a certificate is worth."""


@triton.jit
def _pass(CT, e_at, inside_at, a, lam, F, K, BK: tl.constexpr, DT: tl.constexpr):
    """The gradient C e - lam a of all codewords that are not marked as inside: the smallest of each residue class with
    its number, and the largest absolute value of all."""
    b = tl.arange(0, BK)
    best = tl.full([BK], float("inf"), DT)
    where = tl.full([BK], -1, tl.int32)
    big = tl.zeros([BK], DT)
    for start in range(0, K, BK):
        k = start + b
        g = tl.zeros([BK], DT)
        for first in range(0, F, 4):
            for t in tl.static_range(4):
                row = tl.minimum(first + t, F - 1)
                e = tl.where(first + t < F, tl.load(e_at + row).to(DT), 0.0)
                g += e * tl.load(CT + row * K + k, mask=k < K, other=0.0).to(DT)
        g -= tl.where(k == a, lam, 0.0)
        outside = tl.load(inside_at + k, mask=k < K, other=1) == 0
        big = tl.maximum(big, tl.where(outside, tl.abs(g), 0.0))
        g = tl.where(outside, g, float("inf"))
        lower = g < best
        where = tl.where(lower, k, where)
        best = tl.where(lower, g, best)
    tiles = tl.reshape(best, [BK // CANDIDATES, CANDIDATES])
    numbers = tl.reshape(where, [BK // CANDIDATES, CANDIDATES])
    lows = tl.min(tiles, 0)
    return lows, tl.min(tl.where(tiles == lows[None, :], numbers, 2147483647), 0), tl.max(big, 0)


@triton.jit
def _refined(
    C, z_at, a, lam, floor, idx, valid, p, M, inverse_at, x2, sum2, e_at, spare_at, gs_at, F, enough, high,
    S: tl.constexpr, FB: tl.constexpr, R: tl.constexpr, DT: tl.constexpr, IN_MEMORY: tl.constexpr,
):  # fmt: skip
    """The weights, refined until the gradient on the support is nu up to rounding; writes their error.

    Returns them, nu = p^T g, and over the support max |g_i - nu| and max p_i |g_i - nu|.
    """
    again = REFINED
    nu = tl.zeros([], tl.float64)
    spread = tl.zeros([], tl.float64)
    complementarity = tl.zeros([], tl.float64)
    while again >= 0:
        tl.debug_barrier()
        g = combined(C, z_at, True, idx, valid, p, e_at, gs_at, F, S, FB, tl.float64)
        g = tl.where(valid, g + lam * (p - tl.where(idx == a, 1.0, 0.0)), 0.0)
        nu = tl.sum(p * g, 0) / tl.sum(p, 0)
        r = tl.where(valid, nu - g, 0.0)
        spread = tl.max(tl.abs(r), 0)
        complementarity = tl.max(tl.abs(r) * p, 0)
        again = tl.where(spread > enough * tl.maximum(floor, tl.abs(nu)), again - 1, -1)
        if again >= 0:
            v = tl.where(valid, times(M, inverse_at, spare_at, r.to(DT), high, S, R, IN_MEMORY), 0.0)
            better = p + (v - tl.sum(v, 0) / sum2 * x2).to(tl.float64)
            sound = tl.min(tl.where(valid, better, 1.0), 0) > 0
            p = tl.where(sound, better, p)
            again = tl.where(sound, again, -1)
    return p, nu, spread, complementarity


@triton.jit(
    do_not_specialize=["N", "max_iter"],
    do_not_specialize_on_alignment=["lam_at", "floor_at", "queue", "state", "size", "steps"],
)
def solve_columns(
    Z, C, CT, anchor, lam_at, floor_at, queue, state, size, steps, index, values,
    INSIDE, E, INVERSE, SPARE, GS,
    N, F, K, PLACES, tol, enough, resolution, max_iter,
    BK: tl.constexpr, S: tl.constexpr, FB: tl.constexpr, R: tl.constexpr, DT: tl.constexpr,
    IN_MEMORY: tl.constexpr, LAST: tl.constexpr,
):  # fmt: skip
    """Solves the columns that earlier stages have not, from where they left off.

    Args:
        Z, C, CT, anchor: latents (N, F), codebook (K, F) and its transpose; the anchors' numbers.
        lam_at, floor_at: lam, and what the largest |g| is at least, for the relative residual.
        queue: 0; the number of the next column that no program has taken.
        state, size, steps: (N,) what has become of each column, its support's size, and the codewords that entered.
        index, values: (N, PLACES) the support, packed to the left, and the weights.
        INSIDE: K flags of each program, all 0 before and after.
        E, INVERSE, SPARE, GS: scratch of each program: F numbers for an error, S S for M where it is in memory, and S
            twice for vectors, the second time in float64.
        tol: a column is certified where its relative KKT residual is at most this.
        enough: codewords enter while the relative dual residual exceeds this, as far as rounding errors allow.
        resolution: the share of max_k |g_k| that rounding errors may make of a multiplier.
        max_iter: codewords that may have entered when this stage ends.
        BK, S, FB, R: codewords, places of a support, features and rows of M that are treated at once.
        DT: the type of all arithmetic but errors, gradients on the support and weights, which are float64.
        LAST: whether this is the stage of higher precision, for what was broken or too close to call.
    """
    slots, ways = tl.arange(0, S), tl.arange(0, CANDIDATES)
    pid = tl.program_id(0)
    e_at, inside_at = E + pid * F, INSIDE + pid.to(tl.int64) * K
    inverse_at, spare_at, gs_at = INVERSE + pid.to(tl.int64) * S * S, SPARE + pid * S, GS + pid * S
    lam64 = tl.load(lam_at).to(tl.float64)
    lam = lam64.to(DT)
    floor = tl.load(floor_at).to(tl.float64)
    width = tl.minimum(PLACES, S)
    used = S
    n = tl.atomic_add(queue, 1)
    while n < N:
        code = tl.load(state + n)
        if (code == TODO) | (code == (CLOSE if LAST else OVERFLOW)) | (code == (BROKEN if LAST else TODO)):
            out = n.to(tl.int64) * PLACES
            z_at = Z + n.to(tl.int64) * F
            # Within the codebook, whatever numbers the user gave: they are looked at with the next problem.
            a = tl.minimum(tl.maximum(tl.load(anchor + n), 0), K - 1).to(tl.int32)
            # From the anchor, or from the support that an earlier stage left.
            fresh = (code == TODO) | (code == BROKEN)
            k0 = tl.where(fresh, 1, tl.load(size + n).to(tl.int32))
            there = (slots < k0) & (slots < width)
            idx = tl.where(fresh, a, tl.load(index + out + slots, mask=there, other=0).to(tl.int32))
            p = tl.load(values + out + slots, mask=there, other=0.0).to(tl.float64)
            p = tl.where(fresh, tl.where(slots == 0, 1.0, 0.0).to(tl.float64), p)
            valid = slots < 0
            M = tl.zeros([1 if IN_MEMORY else S, 1 if IN_MEMORY else S], DT)
            M = cleared(M, inverse_at, used, S, R, IN_MEMORY)
            used = 0
            x1 = tl.zeros([S], DT)
            x2 = tl.zeros([S], DT)
            own = tl.zeros([S], DT)
            # Of the last pass: the candidates that have not entered, -1 for the others.
            cand = tl.full([CANDIDATES], -1, tl.int32)
            violation = tl.full([CANDIDATES], float("-inf"), DT)
            threshold = tl.zeros([], DT)
            lead = tl.zeros([], DT)
            # Codewords of an earlier stage that have entered again; how many may enter before the next solve.
            built = 0
            more = 0
            taken = tl.load(steps + n).to(tl.int32)
            last = tl.full([], -1, tl.int64)
            now = TODO
            while now == TODO:
                building = built < k0
                leaves = built < 0
                slot = built
                j = a
                sum2 = tl.sum(x2, 0)
                theta = tl.where(building, 0.0, (tl.sum(x1, 0) - 1.0) / tl.where(building, 1.0, sum2))
                high = tl.max(tl.where(valid, slots + 1, 0), 0)
                if building:
                    j = tl.sum(tl.where(slots == built, idx, 0), 0)
                else:
                    if more == 0:
                        # Towards the weights that solve the KKT system, until one of them is 0.
                        s = x1 - theta * x2
                        bad = valid & (s <= 0)
                        leaves = tl.max(bad.to(tl.int32), 0) > 0
                        solved = s.to(tl.float64)
                        if leaves:
                            step = p / tl.where(bad & (p > 0), p - solved, 1.0)
                            step = tl.where(bad, tl.where(p > 0, step, 0.0), float("inf"))
                            slot = tl.argmin(step, 0).to(tl.int32)
                            step = tl.minimum(tl.min(step, 0), 1.0)
                            p = tl.where(valid & (slots != slot), tl.maximum(p + step * (solved - p), 0.0), 0.0)
                        else:
                            p = tl.where(valid, solved, 0.0)
                            if tl.max(cand, 0) >= 0:
                                tl.debug_barrier()
                                combined(C, z_at, True, idx, valid, p.to(DT), e_at, spare_at, F, S, FB, DT)
                                g = inner(C, cand, e_at, F, CANDIDATES, FB, DT) - tl.where(cand == a, lam, 0.0)
                                violation = tl.where(cand >= 0, -theta - g, float("-inf"))
                            lead = tl.max(violation, 0)
                            if (lead <= threshold) | (taken >= max_iter) | (tl.max(cand, 0) < 0):
                                p, nu, spread, complementarity = _refined(
                                    C, z_at, a, lam64, floor, idx, valid, p, M, inverse_at, x2, sum2, e_at, spare_at,
                                    gs_at, F, enough, high, S, FB, R, DT, IN_MEMORY,
                                )  # fmt: skip
                                tl.store(inside_at + idx, tl.full([S], 1, tl.int8), mask=valid)
                                tl.debug_barrier()
                                lows, cand, big = _pass(CT, e_at, inside_at, a, lam, F, K, BK, DT)
                                tl.debug_barrier()
                                tl.store(inside_at + idx, tl.zeros([S], tl.int8), mask=valid)
                                low = tl.min(lows, 0).to(tl.float64)
                                scale = tl.maximum(tl.maximum(floor, tl.abs(nu)), big.to(tl.float64))
                                worst = tl.maximum(nu - low, 0.0)
                                # On the support g is nu up to rounding: how far it is from it tells what else is.
                                slack = tl.maximum(enough * scale, 2.0 * spread)
                                threshold = tl.maximum(slack, BOLD * worst).to(DT)
                                violation = (nu - lows.to(tl.float64)).to(DT)
                                lead = tl.max(violation, 0)
                                # Also where the support is that of the last pass: rounding errors are all there is.
                                marks = tl.where(valid, idx + 1, 0).to(tl.int64)
                                support = tl.sum(marks * (marks + 7919), 0)
                                if (worst <= slack) | (support == last) | (taken >= max_iter) | (lead <= threshold):
                                    total = tl.sum(p, 0)
                                    reached = tl.maximum(worst, complementarity) / scale
                                    reached = tl.maximum(reached, tl.abs(total - 1.0))
                                    now = DONE
                                    if not LAST:
                                        # Could an error in the gradient bring a codeword in, or take one out? A weight
                                        # is 0 where the gradient of its codeword grows by the weight over its entry of
                                        # the diagonal of M - x2 x2^T / sum(x2).
                                        error = tl.maximum(resolution * scale, 2.0 * spread)
                                        thin = valid & (p <= error * (own - x2 * x2 / sum2).to(tl.float64))
                                        thin = (tl.max(thin.to(tl.int32), 0) > 0) & (high > 1)
                                        now = tl.where((low < nu + error) | thin, CLOSE, DONE)
                                    # The larger of NaN and a number is the number.
                                    finite = (tl.abs(nu) < float("inf")) & (total > 0.5)
                                    now = tl.where((reached <= tol) & finite, now, BROKEN)
                                last = support
                            more = tl.minimum(ENTERING, max_iter - taken)
                    if (now == TODO) & (leaves == 0):
                        # The worst of the candidates enters.
                        way = tl.argmax(violation, 0).to(tl.int32)
                        most = tl.max(violation, 0)
                        worth = (most > threshold) & (most >= BESIDE * lead)
                        j = tl.sum(tl.where(ways == way, cand, 0), 0)
                        slot = tl.where(worth, tl.min(tl.where(valid, S, slots), 0), -1)
                        cand = tl.where(ways == way, tl.where(worth, -1, cand), cand)
                        violation = tl.where(ways == way, float("-inf"), violation)
                        more = tl.where(worth, more - 1, 0)
                if (now == TODO) & (slot >= 0):
                    h = tl.zeros([S], DT)
                    diagonal = tl.zeros([], DT)
                    r1 = tl.zeros([], DT)
                    r2 = tl.zeros([], DT)
                    if leaves == 0:
                        h, diagonal = products(C, spare_at, idx, valid, j, F, S, FB, DT)
                        diagonal += lam
                        fit = tl.sum(inner(C, tl.zeros([1], tl.int32) + j, z_at, F, 1, FB, DT), 0)
                        r1 = fit + tl.where(j == a, lam, 0.0) - tl.sum(h * x1, 0)
                        r2 = 1.0 - tl.sum(h * x2, 0)
                    # Its weight must come out positive.
                    enters = building | ((leaves == 0) & (r1 - theta * r2 > 0))
                    if enters & (slot >= width):
                        now = OVERFLOW
                    elif enters | leaves:
                        idx = tl.where(slots == slot, tl.where(enters, j, idx), idx)
                        high = tl.maximum(high, slot + 1)
                        used = tl.maximum(used, high)
                        M, x1, x2, own, valid, number = pivot(
                            M, inverse_at, spare_at, x1, x2, own, valid, h, slot, enters, diagonal, r1, r2, high,
                            S, R, IN_MEMORY,
                        )  # fmt: skip
                        built += tl.where(building, 1, 0)
                        taken += tl.where(building | leaves, 0, 1)
                        now = tl.where(number > 0, TODO, BROKEN)
            # What was certified stays where the finer stage breaks down.
            if (now == DONE) | (code != CLOSE):
                place = tl.cumsum(valid.to(tl.int32), 0) - 1
                count = tl.sum(valid.to(tl.int32), 0)
                unused = (slots >= count) & (slots < width)
                tl.store(index + out + slots, tl.zeros([S], tl.int64), mask=unused)
                tl.store(values + out + slots, tl.zeros([S], values.dtype.element_ty), mask=unused)
                tl.store(index + out + place, idx.to(tl.int64), mask=valid)
                tl.store(values + out + place, p.to(values.dtype.element_ty), mask=valid)
                tl.store(size + n, count.to(tl.int64))
                tl.store(state + n, now.to(tl.int64))
            tl.store(steps + n, taken.to(tl.int64))
        n = tl.atomic_add(queue, 1)
