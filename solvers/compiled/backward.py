"""The derivative of exact weights and of their combination, compiled: :mod:`scq.solvers.implicit` has the formulas."""

import math

import torch
from numba import njit
from torch import Tensor

from scq.solvers.compiled.cache import kernel
from scq.solvers.compiled.inverse import HELPER, JIT
from scq.solvers.compiled.lanes import at, axpy, fma, lanes, load, load_double, padded, pointer, splat, store, total
from scq.solvers.compiled.tensors import CPU, aligned, in_chunks, numpy

_GRAM_CODEWORDS = 2048
"""Up to this many codewords their products are computed once: (K, K) in float64 is 32 MB then."""

_SUMS = 2**28
"""Bytes that the threads' sums for the codebook's derivative may take together."""


def pull_back(
    latents: Tensor,
    codebook: Tensor,
    lam: Tensor,
    anchor: Tensor,
    index: Tensor,
    values: Tensor,
    active: Tensor,
    d_values: Tensor | None,
    d_combined: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`scq.solvers.implicit.pull_back_by_tensors`, for anchors that are codeword numbers, on the CPU.

    Args:
        latents, codebook, lam, anchor: the instance, (N, F) and (K, F); anchor (N,) codeword numbers.
        index, values: the weights in compact form, (N, S).
        active: (N, S) where a weight may change; none in a failed column.
        d_values, d_combined: what the loss says of the values (N, S) and of values @ codebook (N, F).
    """
    (N, F), K = latents.shape, codebook.shape[0]
    wide = codebook.double()
    gram = wide @ wide.T if K <= _GRAM_CODEWORDS else wide.new_empty(0, 0)
    none = latents.new_empty(0, 0)
    Z, C = aligned(latents), aligned(codebook)
    d_latents = torch.zeros_like(Z)
    inputs = numpy(
        Z,
        C,
        gram,
        anchor.contiguous(),
        index.contiguous(),
        values.double().contiguous(),
        active.contiguous(),
        none if d_values is None else d_values.contiguous(),
        none if d_combined is None else aligned(d_combined),
        d_latents,
    )
    weight = float(lam.detach())
    # As scq.solvers.support.lifted does.
    lift = float(wide.square().sum(1).amax())
    most = int(active.sum(1).amax()) if N else 0
    threads = max(1, min(torch.get_num_threads(), _SUMS // (C.numel() * C.element_size()) or 1, N))
    # Each thread sums a fixed part of the columns, so that the result is the same in every run.
    parts = [(N * t // threads, N * (t + 1) // threads) for t in range(threads)]
    d_codebook = torch.zeros(threads, *C.shape, dtype=C.dtype, device=CPU)
    d_lam = torch.zeros(threads, dtype=torch.float64, device=CPU)

    def work(chunks):
        ld = padded(most) + 8
        scratch, numbers = numpy(
            torch.zeros(most * ld + 3 * ld + 3 * C.shape[1], dtype=torch.float64, device=CPU),
            torch.zeros(2, most, dtype=torch.long, device=CPU),
        )
        for t, _ in chunks:
            d_lam[t] = _pull_back(*parts[t], *inputs, *numpy(d_codebook[t]), weight, lift, ld, scratch, numbers)

    in_chunks(work, threads, 1)
    return d_latents[:N, :F], d_codebook.sum(0)[:K, :F], d_lam.sum().to(lam.dtype)


@kernel(**JIT)
def _pull_back(
    first,
    last,
    Z,
    C,
    G,
    anchor,
    index,
    values,
    active,
    d_values,
    d_combined,
    d_latents,
    d_codebook,
    lam,
    lift,
    ld,
    scratch,
    numbers,
):
    """Columns first to last - 1; adds to ``d_codebook`` and returns the derivative with respect to lam."""
    Fp, S = C.shape[1], index.shape[1]
    codebook, out = pointer(C), pointer(d_codebook)
    most, place = numbers.shape[1], pointer(numbers)
    codeword, gram, K = at(place, most), pointer(G), G.shape[1]
    H = pointer(scratch)
    u = at(H, most * ld)
    ones, diagonal, e = at(u, ld), at(u, 2 * ld), at(u, 3 * ld)
    back, d_c = at(e, Fp), at(e, 2 * Fp)
    use_products, use_values, use_combined = G.shape[0] > 0, d_values.shape[0] > 0, d_combined.shape[0] > 0
    d_lam, zero = 0.0, splat(H, 0.0)
    for n in range(first, last):
        z = at(pointer(Z), n * Fp)
        b = 0
        while b < Fp:
            acc = axpy(-1.0, load_double(z, b), splat(e, 0.0))
            for i in range(S):
                if values[n, i] != 0.0:
                    acc = axpy(values[n, i], load_double(codebook, index[n, i] * Fp + b), acc)
            store(e, b, acc)
            store(d_c, b, load_double(at(pointer(d_combined), n * Fp), b) if use_combined else zero)
            store(back, b, splat(e, 0.0))
            b += lanes(e)
        k = 0
        for i in range(S):
            if active[n, i]:
                place[k], codeword[k] = i, index[n, i]
                k += 1
        if k == 0:
            # A column that failed holds its anchor, as a constant.
            continue
        for i in range(k):
            c, t = codeword[i], 0.0
            if use_values:
                t += d_values[n, place[i]]
            if use_combined:
                t += _dot(at(codebook, c * Fp), d_c, Fp, zero)
            u[i], ones[i] = t, 1.0
            row = at(H, i * ld)
            if use_products:
                products = at(gram, c * K)
                for j in range(i, k):
                    row[j] = products[codeword[j]] + lift
            else:
                for j in range(i, k):
                    row[j] = _dot(at(codebook, c * Fp), at(codebook, codeword[j] * Fp), Fp, zero) + lift
            row[i] += lam
        _solve(H, ld, k, u, ones, diagonal)
        sum1 = sum2 = 0.0
        for i in range(k):
            sum1 += u[i]
            sum2 += ones[i]
        for i in range(k):
            u[i] -= sum1 / sum2 * ones[i]
            c = codeword[i]
            d_lam -= u[i] * values[n, place[i]]
            if c == anchor[n]:
                d_lam += u[i]
            b = 0
            while b < Fp:
                store(back, b, axpy(u[i], load_double(codebook, c * Fp + b), load(back, b)))
                b += lanes(back)
        b = 0
        while b < Fp:
            x = load(back, b)
            store(at(pointer(d_latents), n * Fp), b, x)
            # What a weight times its codeword's derivative is: that of the combination, less what z takes.
            store(d_c, b, axpy(-1.0, x, load(d_c, b)))
            b += lanes(back)
        passed = 0
        for i in range(S):
            # u of this place, 0 where it is not active.
            own = 0.0
            if passed < k and place[passed] == i:
                own = u[passed]
                passed += 1
            if values[n, i] != 0.0 or own != 0.0:
                target = at(out, index[n, i] * Fp)
                b = 0
                while b < Fp:
                    x = axpy(values[n, i], load(d_c, b), load_double(target, b))
                    store(target, b, axpy(-own, load(e, b), x))
                    b += lanes(e)
    return d_lam


@njit(**HELPER)
def _dot(x, y, n, zero):
    """The inner product of n entries of any dtype, in float64; ``zero`` is that vector."""
    acc, i = zero, 0
    while i < n:
        acc = fma(load_double(x, i), load_double(y, i), acc)
        i += 8
    return total(acc)


@njit(**HELPER)
def _solve(A, ld, k, x, y, diagonal):
    """Solves A x = x and A y = y in place, by the Cholesky factor U^T U = A of a matrix of which only the upper half
    is read. NaN where A is not positive definite. ``diagonal`` is scratch."""
    w, zero = lanes(A), splat(A, 0.0)
    end = (k + w - 1) // w * w
    for i in range(k, end):
        x[i], y[i] = 0.0, 0.0
    for j in range(0, k, 2):
        # Two rows of the factor at a time: the rest of the matrix is read and written half as often.
        row, other = at(A, j * ld), at(A, (j + 1) * ld)
        _scale_row(row, j, k, end, diagonal)
        if j + 1 < k:
            factor, i = -row[j + 1], (j + 1) // w * w
            while i < k:
                store(other, i, axpy(factor, load(row, i), load(other, i)))
                i += w
            _scale_row(other, j + 1, k, end, diagonal)
        for r in range(j + 2, k):
            f, g, target = -row[r], -other[r], at(A, r * ld)
            i = r // w * w
            while i < k:
                store(target, i, axpy(g, load(other, i), axpy(f, load(row, i), load(target, i))))
                i += w
    for j in range(k):
        row, i = at(A, j * ld), j // w * w
        x[j], y[j] = x[j] * diagonal[j], y[j] * diagonal[j]
        s, t = -x[j], -y[j]
        while i < k:
            us = load(row, i)
            store(x, i, axpy(s, us, load(x, i)))
            store(y, i, axpy(t, us, load(y, i)))
            i += w
    for j in range(k - 1, -1, -1):
        row, i = at(A, j * ld), j // w * w
        s, t = zero, zero
        while i < k:
            us = load(row, i)
            s, t = fma(us, load(x, i), s), fma(us, load(y, i), t)
            i += w
        x[j], y[j] = (x[j] - total(s)) * diagonal[j], (y[j] - total(t)) * diagonal[j]


@njit(**HELPER)
def _scale_row(row, j, k, end, diagonal):
    """Row j of the factor from that of the matrix: the inverse of its diagonal entry goes to ``diagonal``, and zeros
    to the places beside the strictly upper ones, so that whole vectors can be used."""
    w, d = lanes(row), 1.0 / math.sqrt(row[j])
    diagonal[j], first = d, j // w * w
    for i in range(first, j + 1):
        row[i] = 0.0
    for i in range(k, end):
        row[i] = 0.0
    i = first
    while i < k:
        store(row, i, axpy(d, load(row, i), splat(row, 0.0)))
        i += w
