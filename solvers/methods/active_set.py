"""Active set grown from the anchor's vertex, for many columns. Ours; exact.

From p = a, the codewords whose multipliers are most negative enter the support with weight 0; the iterate moves
towards the weights that solve the KKT system of the support, and what reaches zero on the way leaves; the column is
finished when no codeword of all K would lower the objective. Every step lowers the objective, so no support occurs
twice and the method ends: it is Lawson and Hanson's, with several codewords at a time and the constraint sum(p) = 1.

On the CPU a compiled loop (:mod:`solvers.compiled`) takes one column after another on all of torch's threads, with the
inverse of the support's matrix updated in place; a column that breaks down there is solved again by the tensor path,
:mod:`solvers.polish`, which is the only one on other devices.

Warm start: the anchor. Gradient: the shared implicit differentiation.
Source: C. L. Lawson and R. J. Hanson, "Solving Least Squares Problems" (1974), chapter 23; Nocedal and Wright,
"Numerical Optimization" (2006), section 16.5.
"""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from solvers.methods import Instance, Result, interior_point
from solvers.polish import polish
from solvers.status import Status
from solvers.support import Support

_COLUMNS_PER_TASK = 128

_GRAM_CODEWORDS = 2048
"""Up to this many codewords their products are computed once: (K, K) in float64 is 32 MB then."""

_SHARE = {torch.float32: 0.05, torch.float64: 1e-3}
"""Codewords enter while the residual exceeds this share of tol, as far below it as rounding errors allow."""

_ROUNDS = 200
"""Linear solves that the tensor path may take for a column: where these do not do, rounding errors go in circles."""

_CHUNK_ELEMENTS = 2**22


def solve(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    """Solves an instance.

    ``iterations`` counts the codewords that entered (on the tensor path, the linear solves); ``max_iter`` (default
    1000 + 20 F) bounds them for each column.
    """
    if problem.anchor.dim() == 2:
        # No vertex to start from, and a support that may hold most codewords: the interior point does not mind.
        return interior_point.solve(problem, tol=tol, max_iter=max_iter)
    N, F, K = *problem.latents.shape, problem.codebook.shape[0]
    max_iter = 1000 + 20 * F if max_iter is None else max_iter
    on_cpu = problem.latents.device.type == "cpu"
    if on_cpu:
        # Half of the steps, so that some are left for a second try on the tensor path.
        support, values, steps, residual = _compiled(problem, tol, (max_iter + 1) // 2)
    else:
        nothing = problem.anchor.new_zeros(N, 0)
        support, values = Support(nothing, nothing.bool()), nothing.to(problem.latents.dtype)
        steps, residual = (
            torch.zeros_like(problem.anchor),
            torch.full_like(problem.anchor, torch.inf, dtype=torch.float64),
        )
    weights = support.scatter(values, K).to(problem.latents.dtype)
    again = (~(residual <= tol) & (steps < max_iter)).nonzero().flatten()
    if again.numel():
        supports = []
        for part in again.split(max(1, _CHUNK_ELEMENTS // K)):
            columns = problem.select(part)
            vertex = torch.nn.functional.one_hot(columns.anchor, K)
            rounds = (max_iter - steps[part]).clamp_max(_ROUNDS)
            exact = polish(columns, vertex.to(weights.dtype), vertex.bool(), tol, rounds)
            weights[part] = exact.support.scatter(exact.values, K).to(weights.dtype)
            residual[part], steps[part] = exact.residual, steps[part] + exact.rounds
            supports.append(exact.support)
        support = _replaced(support, again, Support.join(supports))
    status = torch.where(residual <= tol, int(Status.SOLVED), int(Status.MAX_ITER))
    return Result(weights, status, steps, support=support, certified=True)


def _compiled(problem: Instance, tol: float, max_iter: int) -> tuple[Support, Tensor, Tensor, Tensor]:
    # Here, because importing Numba takes a second that other backends need not pay.
    from solvers.compiled import solve_columns

    Z, C = problem.latents.contiguous(), problem.codebook.contiguous()
    (N, F), K = Z.shape, C.shape[0]
    wide = C.double()
    gram = wide @ wide.T if K <= _GRAM_CODEWORDS else wide.new_empty(0, 0)
    capacity = min(K, 4 * F + 64)
    index = torch.zeros(N, capacity, dtype=torch.long)
    values = torch.zeros(N, capacity, dtype=torch.float64)
    size, steps = torch.zeros(2, N, dtype=torch.long)
    residual = torch.full((N,), torch.inf, dtype=torch.float64)
    inputs = [x.numpy() for x in (Z, C, C.T.contiguous(), gram)]
    outputs = [x.numpy() for x in (index, values, size, steps, residual)]
    settings = (
        float(problem.lam),
        problem.anchor.contiguous().numpy(),
        tol,
        _SHARE[Z.dtype],
        float(problem.floor),
        max_iter,
    )

    def task(first: int) -> None:
        solve_columns(first, min(first + _COLUMNS_PER_TASK, N), *inputs, *settings, *outputs)

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        # A list, so that what a task raises is raised here.
        list(threads.map(task, range(0, N, _COLUMNS_PER_TASK)))
    width = int(size.max())
    valid = torch.arange(width) < size[:, None]
    return Support(index[:, :width], valid), values[:, :width], steps, residual


def _replaced(support: Support, rows: Tensor, by: Support) -> Support:
    """``support`` with those of ``rows`` exchanged."""
    width = max(support.index.shape[1], by.index.shape[1])

    def exchanged(old: Tensor, new: Tensor) -> Tensor:
        old, new = (torch.nn.functional.pad(x, (0, width - x.shape[1])) for x in (old, new))
        return old.index_copy(0, rows, new)

    return Support(exchanged(support.index, by.index), exchanged(support.valid, by.valid))
