"""What the kernels are made of: products with the codewords of a support, and the inverse of its matrix. Triton.

A column's support has S places, of which ``valid`` ones hold the codewords ``idx``. M is the inverse of the support's
matrix, ``own`` its diagonal, x1 and x2 are M times the right-hand side and M times ones; all three are 0 at places that
are not valid. M is held in
registers, or for large S in memory (``IN_MEMORY``), at ``inverse_at`` with ``spare_at`` beside it for a vector.
"""

import triton
import triton.language as tl


@triton.jit
def spread(x, at, n: tl.constexpr):
    """x, an entry a thread: what a sum over a matrix leaves is held by many threads each, which fills the registers of
    all that is made of it. By way of memory, since no other operation makes the compiler change that."""
    places = tl.arange(0, n)
    tl.debug_barrier()
    tl.store(at + places, x)
    tl.debug_barrier()
    return tl.load(at + places)


@triton.jit
def products(C, spare_at, idx, valid, j, F, S: tl.constexpr, FB: tl.constexpr, DT: tl.constexpr):
    """(S,) the products of the support's codewords with codeword j, and that of j with itself."""
    f = tl.arange(0, FB)
    found = tl.zeros([S], DT)
    own = tl.zeros([FB], DT)
    for first in range(0, F, FB):
        here = first + f < F
        c = tl.load(C + j * F + first + f, mask=here, other=0.0).to(DT)
        inside = valid[:, None] & here[None, :]
        rows = tl.load(C + idx[:, None] * F + (first + f)[None, :], mask=inside, other=0.0).to(DT)
        found += tl.sum(rows * c[None, :], 1)
        own += c * c
    return spread(found, spare_at, S), tl.sum(own, 0)


@triton.jit
def inner(C, at, vector_at, F, n: tl.constexpr, FB: tl.constexpr, DT: tl.constexpr):
    """(n,) the products of the codewords ``at`` with a vector in memory."""
    f = tl.arange(0, FB)
    found = tl.zeros([n], DT)
    for first in range(0, F, FB):
        here = first + f < F
        vector = tl.load(vector_at + first + f, mask=here, other=0.0).to(DT)
        inside = (at[:, None] >= 0) & here[None, :]
        rows = tl.load(C + at[:, None] * F + (first + f)[None, :], mask=inside, other=0.0).to(DT)
        found += tl.sum(rows * vector[None, :], 1)
    return found


@triton.jit
def combined(C, z_at, has_z, idx, valid, p, out_at, spare_at, F, S: tl.constexpr, FB: tl.constexpr, DT: tl.constexpr):
    """Writes e = C_S^T p (minus z where ``has_z``) to memory, and returns (S,) C_S e. In DT, whatever C has."""
    f = tl.arange(0, FB)
    found = tl.zeros([S], DT)
    for first in range(0, F, FB):
        here = first + f < F
        inside = valid[:, None] & here[None, :]
        rows = tl.load(C + idx[:, None] * F + (first + f)[None, :], mask=inside, other=0.0).to(DT)
        e = tl.sum(rows * p[:, None], 0)
        if has_z:
            e -= tl.load(z_at + first + f, mask=here, other=0.0).to(DT)
        tl.store(out_at + first + f, e.to(out_at.dtype.element_ty), mask=here)
        found += tl.sum(rows * e[None, :], 1)
    return spread(found, spare_at, S)


@triton.jit
def times(M, inverse_at, spare_at, w, high, S: tl.constexpr, R: tl.constexpr, IN_MEMORY: tl.constexpr):
    """M w, for a support whose places are below ``high``."""
    if IN_MEMORY:
        slots, rows = tl.arange(0, S), tl.arange(0, R)
        tl.debug_barrier()
        tl.store(spare_at + slots, w)
        tl.debug_barrier()
        v = tl.zeros([S], w.dtype)
        for first in range(0, high, R):
            at = inverse_at + (first + rows)[:, None] * S + slots[None, :]
            inside = (first + rows < high)[:, None] & (slots < high)[None, :]
            tile = tl.load(at, mask=inside, other=0.0)
            v += tl.sum(tile * tl.load(spare_at + first + rows)[:, None], 0)
    else:
        v = spread(tl.sum(M * w[:, None], 0), spare_at, S)
    return v


@triton.jit
def updated(M, inverse_at, spare_at, u, factor, high, S: tl.constexpr, R: tl.constexpr, IN_MEMORY: tl.constexpr):
    """M + factor u u^T. What rounding leaves in the row and column of a codeword that has left is no more than what it
    leaves in the others."""
    slots = tl.arange(0, S)
    if IN_MEMORY:
        rows = tl.arange(0, R)
        tl.debug_barrier()
        tl.store(spare_at + slots, u)
        tl.debug_barrier()
        for first in range(0, high, R):
            at = inverse_at + (first + rows)[:, None] * S + slots[None, :]
            inside = (first + rows < high)[:, None] & (slots < high)[None, :]
            tile = tl.load(at, mask=inside, other=0.0)
            tile += (factor * tl.load(spare_at + first + rows))[:, None] * u[None, :]
            tl.store(at, tile, mask=inside)
        tl.debug_barrier()
    else:
        M += (factor * u)[:, None] * u[None, :]
    return M


@triton.jit
def cleared(M, inverse_at, high, S: tl.constexpr, R: tl.constexpr, IN_MEMORY: tl.constexpr):
    """M of an empty support, after one whose places were below ``high``."""
    if IN_MEMORY:
        slots, rows = tl.arange(0, S), tl.arange(0, R)
        zeros = tl.zeros([R, S], inverse_at.dtype.element_ty)
        tl.debug_barrier()
        for first in range(0, high, R):
            tl.store(inverse_at + (first + rows)[:, None] * S + slots[None, :], zeros)
        tl.debug_barrier()
    return tl.zeros_like(M)


@triton.jit
def pivot(
    M, inverse_at, spare_at, x1, x2, own, valid, h, slot, enters, diagonal, r1, r2, high,
    S: tl.constexpr, R: tl.constexpr, IN_MEMORY: tl.constexpr,
):  # fmt: skip
    """The codeword at ``slot`` enters (h its products with the support) or leaves: one product with M, and one update
    of rank one. The pivot, at most 0 where rounding has made the matrix indefinite, comes last."""
    slots = tl.arange(0, S)
    on = slots == slot
    w = tl.where(enters, h, tl.where(on, 1.0, 0.0).to(h.dtype))
    v = tl.where(valid, times(M, inverse_at, spare_at, w, high, S, R, IN_MEMORY), 0.0)
    wv = tl.sum(w * v, 0)
    number = tl.where(enters, diagonal - wv, wv)
    inverse = 1.0 / number
    u = tl.where(on, tl.where(enters, -1.0, v), v)
    t1 = tl.where(enters, r1, tl.sum(tl.where(on, x1, 0.0), 0)) * inverse
    t2 = tl.where(enters, r2, tl.sum(tl.where(on, x2, 0.0), 0)) * inverse
    factor = tl.where(enters, inverse, -inverse)
    M = updated(M, inverse_at, spare_at, u, factor, high, S, R, IN_MEMORY)
    valid = tl.where(on, tl.where(enters, 1, 0), valid.to(tl.int32)) > 0
    x1 = tl.where(valid, x1 - t1 * u, 0.0)
    x2 = tl.where(valid, x2 - t2 * u, 0.0)
    own = tl.where(valid, own + factor * u * u, 0.0)
    return M, x1, x2, own, valid, number
