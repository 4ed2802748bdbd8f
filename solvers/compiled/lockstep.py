"""The active-set method on 16 columns in lockstep, one a lane of a vector, compiled: for small supports in float32.

The same method as :mod:`scq.solvers.compiled.columns`, which gives a column all lanes of a vector, for the entries of
its support: of a small one most stay empty, and the short loops cost more than they compute. Here every loop over a
support serves 16 columns. Each has a support of its own, in slots of which some may be free, and a lane whose column is
finished takes the next one. A column that needs more slots, or whose arithmetic breaks down, gets an infinite residual.
"""

import numpy as np
import torch
from torch import Tensor

from scq.solvers.compiled.cache import kernel
from scq.solvers.compiled.inverse import JIT
from scq.solvers.compiled.lanes import add, at, below, larger, load, padded, pointer, smaller, splat, store
from scq.solvers.compiled.lockstep_pass import errors, gradient_on_support, look, look_at_anchors
from scq.solvers.compiled.lockstep_support import (
    ALL,
    FULL,
    LANES,
    SLOTS,
    TRIANGLE,
    Book,
    arrays,
    clear,
    enter,
    length,
    refine,
    settle,
    start,
    weights_near,
    write,
)
from scq.solvers.compiled.masks import div, mul, sub
from scq.solvers.compiled.tensors import CPU

BOLD = 0.1
"""A second codeword enters if it violates optimality by at least this share of what the worst one does."""

REFINED = 3
"""Steps of iterative refinement after which rounding errors are all that is left."""


def lockstep_scratch(K: int, F: int) -> tuple[Tensor, Tensor]:
    """What :func:`solve_in_lockstep` works on."""
    vectors = TRIANGLE + SLOTS * F + 9 * SLOTS + 4 * padded(F) + 16
    integers = SLOTS * LANES + 3 * SLOTS + padded(K) + 8 * LANES
    return (
        torch.zeros(vectors * LANES, dtype=torch.float32, device=CPU),
        torch.zeros(integers, dtype=torch.long, device=CPU),
    )


@kernel(**JIT)
def solve_in_lockstep(
    first,
    last,
    Z,
    C,
    tiles,
    squares,
    lam,
    anchor,
    tol,
    floor,
    resolution,
    max_iter,
    index,
    values,
    size,
    steps,
    residual,
    close,
    real,
    numbers,
):
    """Arguments as of :func:`scq.solvers.compiled.columns.solve_columns`, and ``squares``: (K,), of the codewords."""
    K, Fp = C.shape
    F, Kp = tiles.shape[1], tiles.shape[0] * tiles.shape[2]
    book = Book(pointer(C), pointer(tiles), pointer(squares), Kp, F, Fp, lam)
    latents = pointer(Z)
    g, b, owner, taken, refined, chosen = arrays(pointer(real), pointer(numbers), F, Fp, Kp)
    for k in range(K, Kp):
        b.hidden[k] = ALL
    for lane in range(LANES):
        owner[lane] = -1
    zero = splat(g.p, 0.0)
    following = first
    while True:
        alive, may, several, spent = 0, 0, 0, 0
        for lane in range(LANES):
            if owner[lane] < 0 and following < last:
                owner[lane], taken[lane], refined[lane] = following, 0, 0
                start(at(latents, following * Fp), anchor[following], book, g, b, lane)
                following += 1
            if owner[lane] >= 0:
                alive |= 1 << lane
                more = taken[lane] < max_iter[owner[lane]]
                may |= more << lane
                several |= (taken[lane] + 1 < max_iter[owner[lane]]) << lane
                spent |= (refined[lane] >= REFINED or not more) << lane
        if alive == 0:
            break
        n = length(b)
        errors(g, n, F)
        look(book, g, b)
        look_at_anchors(alive, book, g, b)
        nu, spread, complementarity, least, most = gradient_on_support(g, b, n, book)
        best, second = load(g.found, 0), load(g.found, LANES)
        high = larger(load(g.found, 4 * LANES), most)
        scale = larger(larger(high, sub(zero, smaller(best, least))), splat(g.p, floor))
        tolerated = mul(splat(g.p, tol), scale)
        slack = larger(add(spread, spread), tolerated)
        # NaN anywhere reaches nu, and would pass the comparisons that follow.
        lost = alive & ~below(larger(sub(zero, nu), nu), splat(g.p, np.inf))
        violated = below(best, sub(nu, slack)) & may & alive & ~lost
        entered, undecided = 0, 0
        if violated:
            bold = sub(nu, larger(slack, mul(splat(g.p, BOLD), sub(nu, best))))
            also = below(second, bold) & violated & several
            one, other = enter((violated, also), at(g.found, 2 * LANES), chosen, book, g, b, n)
            entered = one | other
            for lane in range(LANES):
                taken[lane] += (one >> lane & 1) + (other >> lane & 1)
                refined[lane] *= 1 - (entered >> lane & 1)
                lost |= (violated >> lane & 1 and b.used[lane] == FULL) << lane
            entered &= ~lost
            lost |= settle(entered, g, b)
            n = length(b)
        left = alive & ~entered & ~lost
        done = left & (~below(tolerated, spread) | spent)
        if left & ~done:
            for lane in range(LANES):
                refined[lane] += (left & ~done) >> lane & 1
            undecided = refine(left & ~done, nu, g, b, n)
        if done:
            error = larger(mul(splat(g.p, resolution), scale), add(spread, spread))
            near = below(best, add(nu, error)) | weights_near(error, g, b, n)
            store(g.found, 0, div(larger(sub(nu, smaller(best, least)), complementarity), scale))
            for lane in range(LANES):
                if done >> lane & 1:
                    r = owner[lane] - first
                    residual[r], close[r] = g.found[lane], near >> lane & 1
        lost |= undecided
        if done | lost:
            for lane in range(LANES):
                if (done | lost) >> lane & 1:
                    r = owner[lane] - first
                    steps[r] = taken[lane]
                    if lost >> lane & 1:
                        residual[r], close[r] = np.inf, undecided >> lane & 1
                    size[r] = write(index, values, r, g, b, lane)
                    owner[lane] = -1
            clear(done | lost, g, n)
    for k in range(K, Kp):
        b.hidden[k] = 0
