"""The implicit derivative, one column a program, and its sum for the codebook. Triton.

:mod:`scq.solvers.implicit` has the formulas.
"""

import triton
import triton.language as tl

from scq.solvers.fused.parts import cleared, combined, inner, pivot, products, times

REFINED = tl.constexpr(2)
"""Steps of iterative refinement."""


@triton.jit(do_not_specialize=["N", "above"], do_not_specialize_on_alignment=["lam_at", "lift_at", "queue", "again"])
def pull_back_columns(
    C, lam_at, lift_at, anchor, queue, index, values, active, d_values, d_combined, U, BACK, d_lam, again,
    E, INVERSE, SPARE, GS,
    N, F, PLACES, above, precise,
    W: tl.constexpr, HAS_VALUES: tl.constexpr, HAS_COMBINED: tl.constexpr,
    S: tl.constexpr, FB: tl.constexpr, R: tl.constexpr, DT: tl.constexpr, IN_MEMORY: tl.constexpr, LAST: tl.constexpr,
):  # fmt: skip
    """Solves the KKT system of each column's support for u, by the inverse of its matrix built codeword by codeword.

    Args:
        C, lam_at, anchor: the instance; ``lift_at``: what is added to all products, see
            :func:`scq.solvers.support.lifted`.
        queue: 0; the number of the next column that no program has taken.
        index, values, active: (N, PLACES) the codewords, their weights, and which of these may change.
        d_values, d_combined: (N, PLACES) and (N, F), what the loss says of the weights and of what they combine to.
        U, BACK, d_lam: written: (N, PLACES) u, (N, F) C^T u, and (N,) u^T (a - p).
        again: (N,) written 1 where u is not precise, and 0 elsewhere; in the last stage read: what it is to do.
        E, INVERSE, SPARE, GS: scratch of each program, as of the forward kernel.
        above: columns with active codewords beyond this many places, and within S, belong to this stage.
        precise: the residual, as a share of the right-hand side, that is good enough.
        W: a power of two, PLACES or more; S: places that M has; FB, R: features and rows of M that are treated at once.
        DT: the type in which M is built; residuals and u are float64.
        LAST: whether this is the stage of higher precision.
    """
    slots, wide, f = tl.arange(0, S), tl.arange(0, W), tl.arange(0, FB)
    pid = tl.program_id(0)
    e_at, spare_at = E + pid * F, SPARE + pid * S
    gs_at = GS + pid * S
    inverse_at = INVERSE + pid.to(tl.int64) * S * S
    lam64 = tl.load(lam_at).to(tl.float64)
    lam = lam64.to(DT)
    lift = tl.load(lift_at).to(DT)
    used = S
    n = tl.atomic_add(queue, 1)
    while n < N:
        out = n.to(tl.int64) * PLACES
        marks = tl.load(active + out + wide, mask=wide < PLACES, other=0)
        high = tl.max(tl.where(marks != 0, wide + 1, 0), 0)
        if ((tl.load(again + n) != 0) if LAST else (high > above)) & (high <= S):
            a = tl.load(anchor + n).to(tl.int32)
            act = tl.load(active + out + slots, mask=(slots < high) & (slots < PLACES), other=0) != 0
            idx = tl.load(index + out + slots, mask=act, other=0).to(tl.int32)
            p = tl.load(values + out + slots, mask=act, other=0.0).to(tl.float64)
            rhs = tl.zeros([S], tl.float64)
            if HAS_VALUES:
                rhs += tl.load(d_values + out + slots, mask=act, other=0.0).to(tl.float64)
            if HAS_COMBINED:
                rhs += inner(C, tl.where(act, idx, -1), d_combined + n.to(tl.int64) * F, F, S, FB, tl.float64)
            low = rhs.to(DT)
            valid = slots < 0
            M = tl.zeros([1 if IN_MEMORY else S, 1 if IN_MEMORY else S], DT)
            M = cleared(M, inverse_at, used, S, R, IN_MEMORY)
            used = high
            x1 = tl.zeros([S], DT)
            x2 = tl.zeros([S], DT)
            own = tl.zeros([S], DT)
            for slot in range(0, high):
                on = slots == slot
                if tl.max(tl.where(on, act.to(tl.int32), 0), 0) > 0:
                    j = tl.sum(tl.where(on, idx, 0), 0)
                    h, diagonal = products(C, spare_at, idx, valid, j, F, S, FB, DT)
                    h = tl.where(valid, h + lift, 0.0)
                    r1 = tl.sum(tl.where(on, low, 0.0), 0) - tl.sum(h * x1, 0)
                    r2 = 1.0 - tl.sum(h * x2, 0)
                    M, x1, x2, own, valid, _ = pivot(
                        M, inverse_at, spare_at, x1, x2, own, valid, h, slot, high > 0, diagonal + lam + lift, r1, r2,
                        high, S, R, IN_MEMORY,
                    )  # fmt: skip
            sum2 = tl.sum(x2, 0)
            sum2 = tl.where(sum2 > 0, sum2, 1.0)
            u = (x1 - tl.sum(x1, 0) / sum2 * x2).to(tl.float64)
            count = tl.maximum(tl.sum(tl.where(act, 1.0, 0.0), 0), 1.0).to(tl.float64)
            left = tl.zeros([], tl.float64)
            for turn in range(0, REFINED + 1):
                # Where rounding has left a sum, it is taken from all alike.
                u -= tl.where(act, tl.sum(u, 0) / count, 0.0)
                tl.debug_barrier()
                hu = combined(C, C, False, idx, act, u, e_at, gs_at, F, S, FB, tl.float64)
                r = tl.where(act, rhs - hu - lam64 * u, 0.0)
                r = tl.where(act, r - tl.sum(r, 0) / count, 0.0)
                left = tl.max(tl.abs(r), 0)
                if turn < REFINED:
                    v = tl.where(act, times(M, inverse_at, spare_at, r.to(DT), high, S, R, IN_MEMORY), 0.0)
                    u += (v - tl.sum(v, 0) / sum2 * x2).to(tl.float64)
            tl.debug_barrier()
            tl.store(U + out + slots, u.to(U.dtype.element_ty), mask=slots < PLACES)
            for first in range(0, F, FB):
                here = first + f < F
                back = tl.load(e_at + first + f, mask=here, other=0.0)
                tl.store(BACK + n.to(tl.int64) * F + first + f, back.to(BACK.dtype.element_ty), mask=here)
            tl.store(d_lam + n, tl.sum(tl.where(idx == a, u, 0.0), 0) - tl.sum(u * p, 0))
            if not LAST:
                unsure = (left <= precise * tl.max(tl.abs(rhs), 0)) == 0
                tl.store(again + n, unsure.to(tl.int64))
        n = tl.atomic_add(queue, 1)


@triton.jit(do_not_specialize=["N"])
def sum_over_columns(
    Z, C, index, values, active, U, BACK, d_combined, SUMS, N, F, K, PLACES,
    W: tl.constexpr, FB: tl.constexpr, R: tl.constexpr, HAS_COMBINED: tl.constexpr,
):  # fmt: skip
    """Adds u (z - C^T p)^T + p (dL/dx - C^T u)^T of every column, for some features, to a program's sums (K, F).

    Program (i, b) of a grid (I, B) takes the columns i, i + I, ..., one after the other, and features b FB to
    (b + 1) FB - 1: each number is summed by one program in one order.
    """
    rows, wide = tl.arange(0, R), tl.arange(0, W)
    part = tl.program_id(0)
    f = tl.program_id(1) * FB + tl.arange(0, FB)
    here = f < F
    sums = SUMS + part.to(tl.int64) * K * F
    kind: tl.constexpr = SUMS.dtype.element_ty
    n = part
    while n < N:
        out = n.to(tl.int64) * PLACES
        p_all = tl.load(values + out + wide, mask=wide < PLACES, other=0.0)
        marks = tl.load(active + out + wide, mask=wide < PLACES, other=0)
        # A column without any is one that failed: it holds its anchor, as a constant.
        some = tl.max(tl.where(marks != 0, 1, 0), 0)
        high = some * tl.max(tl.where((marks != 0) | (p_all != 0), wide + 1, 0), 0)
        # In float64: little is left of z where the codewords reconstruct it.
        error = tl.load(Z + n.to(tl.int64) * F + f, mask=here, other=0.0).to(tl.float64)
        outward = -tl.load(BACK + n.to(tl.int64) * F + f, mask=here, other=0.0).to(kind)
        if HAS_COMBINED:
            outward += tl.load(d_combined + n.to(tl.int64) * F + f, mask=here, other=0.0).to(kind)
        for first in range(0, high, R):
            on = (first + rows < high) & (first + rows < PLACES)
            j = tl.load(index + out + first + rows, mask=on, other=0)
            p = tl.load(values + out + first + rows, mask=on, other=0.0).to(tl.float64)
            codewords = tl.load(C + j[:, None] * F + f[None, :], mask=on[:, None] & here[None, :], other=0.0)
            error -= tl.sum(codewords.to(tl.float64) * p[:, None], 0)
        for first in range(0, high, R):
            on = (first + rows < high) & (first + rows < PLACES)
            j = tl.load(index + out + first + rows, mask=on, other=0)
            p = tl.load(values + out + first + rows, mask=on, other=0.0).to(kind)
            u = tl.load(U + out + first + rows, mask=on, other=0.0).to(kind)
            # No codeword stands twice, but in places without weight.
            on = on & ((p != 0.0) | (u != 0.0))
            at = sums + j[:, None] * F + f[None, :]
            inside = on[:, None] & here[None, :]
            old = tl.load(at, mask=inside, other=0.0)
            tl.store(at, old + u[:, None] * error.to(kind)[None, :] + p[:, None] * outward[None, :], mask=inside)
        # The next column may write what another thread has written of this one.
        tl.debug_barrier()
        n += tl.num_programs(0)
