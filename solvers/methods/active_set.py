"""Active set grown from the anchor's vertex, for many columns. Ours; exact.

From p = a, the codewords whose multipliers are most negative enter the support with weight 0; the iterate moves
towards the weights that solve the KKT system of the support, and what reaches zero on the way leaves; the column is
finished when no codeword of all K would lower the objective. Every step lowers the objective, so no support occurs
twice and the method ends: it is Lawson and Hanson's, with several codewords at a time and the constraint sum(p) = 1.

On the CPU compiled kernels (:mod:`scq.solvers.compiled.batch`) run on all of torch's threads, with the inverse of
the support's matrix updated in place. They compute in the dtype of the latents; in float32, columns that they cannot
certify, or whose support rounding errors may have decided, are solved again in float64, so that the gradient is that of
the right support. What is left is solved by the tensor path, :mod:`scq.solvers.polish`, which is the only one where
Numba cannot compile.

On CUDA and ROCm the same method runs as a few Triton kernels (:mod:`scq.solvers.fused`), in float32 and then in float64
likewise, and the host does not wait for them, unless a support may outgrow its places: with more codewords than F + 64
it asks once, at the end, whether one has, and the tensor path solves that column. While a CUDA graph is captured
nothing can be asked, and such a column has the status MAX_ITER. Other devices have the tensor path alone.

Limits: below lam of about 1e-9 of the longest codeword's square (from the codebook's mean) float64 does not resolve the
support's matrix, and above codewords of about 1e3 it does not resolve multipliers to 1e-9 near the hull. A column that
is not certified for such a reason has the status MAX_ITER and holds its anchor.

Warm start: the anchor. Gradient: the shared implicit differentiation.
Source: C. L. Lawson and R. J. Hanson, "Solving Least Squares Problems" (1974), chapter 23; Nocedal and Wright,
"Numerical Optimization" (2006), section 16.5.
"""

import torch
from torch import Tensor

from scq.solvers import compiled, fused
from scq.solvers.instance import Instance, Result
from scq.solvers.methods import interior_point
from scq.solvers.polish import polish
from scq.solvers.status import Status
from scq.solvers.support import Support
from scq.solvers.weights import Weights

_FINEST = 1e-9
"""Tolerance to which float64 certifies, whatever is asked for."""

_LINEAR_SOLVES = 1000
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
    N, F = problem.latents.shape
    most = 1000 + 20 * F if max_iter is None else max_iter
    if fused.usable(problem.latents.device):
        return _fused(problem, tol, most)
    limit = torch.full((N,), most, dtype=torch.long, device=problem.anchor.device)
    paths = [_by_tensors]
    if problem.latents.device.type == "cpu" and compiled.usable():
        # What rounding errors defeat in float32, or decide, is solved again in float64.
        double = [_compiled_in_double] if problem.latents.dtype == torch.float32 else []
        paths = [_compiled, *double, *paths]
    # Each path but the last has half of the steps that are left, so that some are left for the next.
    weights, steps, residual, close = paths[0](problem, tol, limit if len(paths) == 1 else (limit + 1) // 2)
    for path in paths[1:]:
        again = ((close | ~(residual <= tol)) & (steps < limit)).nonzero().flatten()
        close = torch.zeros_like(close)
        if again.numel():
            left = (limit - steps)[again]
            part, taken, reached, _ = path(problem.select(again), tol, left if path is paths[-1] else (left + 1) // 2)
            steps = steps.index_add(0, again, taken)
            # What was certified before stays where the finer path breaks down, as at a tiny lam.
            kept = ((reached <= tol) | ~(residual[again] <= tol)).nonzero().flatten()
            again = again[kept]
            weights = weights.replaced(again, part.rows(kept))
            residual = residual.index_copy(0, again, reached[kept])
    status = torch.where(residual <= tol, int(Status.SOLVED), int(Status.MAX_ITER))
    return Result(weights, status, steps, certified=True)


def solve_by_tensors(
    problem: Instance, tol: float, max_iter: Tensor, rounds_at_once: int | None = None
) -> tuple[Weights, Tensor, Tensor]:
    """Weights, linear solves and relative KKT residuals, in tensor operations alone, in float64."""
    K = problem.codebook.shape[0]
    parts = []
    for rows in torch.arange(problem.latents.shape[0], device=max_iter.device).split(max(1, _CHUNK_ELEMENTS // K)):
        columns = problem.select(rows)
        vertex = torch.nn.functional.one_hot(columns.anchor, K)
        support = Support(columns.anchor[:, None], torch.ones_like(columns.anchor[:, None], dtype=torch.bool))
        rounds = max_iter[rows].clamp_max(_LINEAR_SOLVES)
        parts.append(polish(columns, vertex.to(columns.latents.dtype), support, tol, rounds, rounds_at_once))
    weights = Weights.join([Weights(part.values, part.support.index, K) for part in parts])
    return weights, torch.cat([part.rounds for part in parts]), torch.cat([part.residual for part in parts])


def _fused(problem: Instance, tol: float, max_iter: int) -> Result:
    """By Triton's kernels, and what outgrows them by tensors."""
    # Here, because Triton's import takes a second that other devices need not pay.
    from scq.solvers.fused.launch import solve as solve_fused

    found = solve_fused(problem, tol, max_iter)
    K, steps, certified = problem.codebook.shape[0], found.steps, found.certified
    weights = Weights(found.values, found.index, K)
    if found.index.shape[1] < K and not _captured(problem.latents.device):
        again = found.overflowed.nonzero().flatten()
        if again.numel():
            left = (max_iter - steps[again]).clamp_min(0)
            part, taken, reached = solve_by_tensors(problem.select(again), tol, left)
            weights = weights.replaced(again, part)
            steps = steps.index_add(0, again, taken)
            certified = certified.index_copy(0, again, reached <= tol)
    return Result(weights, torch.where(certified, int(Status.SOLVED), int(Status.MAX_ITER)), steps, certified=True)


def _captured(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def _by_tensors(problem: Instance, tol: float, max_iter: Tensor) -> tuple[Weights, Tensor, Tensor, Tensor]:
    weights, steps, residual = solve_by_tensors(problem, tol, max_iter)
    return weights, steps, residual, torch.zeros_like(residual, dtype=torch.bool)


def _compiled(problem: Instance, tol: float, max_iter: Tensor) -> tuple[Weights, Tensor, Tensor, Tensor]:
    # Here, because importing Numba takes a second that other backends need not pay.
    from scq.solvers.compiled.batch import solve_compiled

    return solve_compiled(problem, tol, max_iter)


def _compiled_in_double(problem: Instance, tol: float, max_iter: Tensor) -> tuple[Weights, Tensor, Tensor, Tensor]:
    # As exact as float64 is: of these columns the support hangs on it, and they are few.
    return _compiled(problem.to(torch.float64), min(tol, _FINEST), max_iter)
