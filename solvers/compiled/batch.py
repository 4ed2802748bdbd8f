"""A batch of columns by compiled kernels: which kernel, in which chunks, on which threads.

:mod:`scq.solvers.compiled.columns` gives a column all lanes of a vector, :mod:`scq.solvers.compiled.lockstep` a lane of
its own. Where supports are small the second is the faster one: in float32 at lam 0.1 it takes 0.33 of the first's time
at (F, K) = (4, 64), 0.37 at (8, 64), 0.46 at (16, 64), 0.52 at (16, 128), 0.50 at (8, 1024), 0.63 at (16, 512) and 0.77
at (16, 1024) (CPU time, least of seven turns). At F = 32 it is still 0.8 where supports fit into its slots, which most
codebooks' do not.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from scq.solvers.compiled.columns import scratch, solve_columns
from scq.solvers.compiled.lockstep import SLOTS, lockstep_scratch, solve_in_lockstep
from scq.solvers.compiled.tensors import CPU, aligned, in_chunks, numpy, tiled
from scq.solvers.instance import Instance
from scq.solvers.weights import Weights

_COLUMNS_PER_CHUNK = 64, 512
"""At least and at most: enough chunks that all threads end together, and few enough to be handed out."""

_GRAM_CODEWORDS = 2048
"""Up to this many codewords their products are computed once: (K, K) in float32 is 16 MB then."""

_PRODUCTS = 512
"""Products of codewords that a column asks for, roughly: for a few columns all (K, K) of them are too many."""

_SMALL = 2**12
"""Entries of a codebook (K F) that is read again more quickly than a list of candidates is kept."""

_RESOLUTION = {torch.float32: 2e-6, torch.float64: 0.0}
"""Share of the largest gradient entry below which float32 does not tell a multiplier, or its weight, from 0."""

_ROUNDS = 8
"""Solves on the support between two passes over a codebook that is not small."""

_SHARE = {torch.float32: 0.5, torch.float64: 1e-3}
"""Codewords enter while the residual exceeds this share of tol, as far below it as rounding errors allow."""

_LOCKSTEP = 16, 2**13
"""F, and K F, up to which columns go in lockstep: beyond, supports outgrow its slots, or passes take the time."""

_LANES_FILLED = 32
"""Columns below which most lanes would wait for the last one."""

_MANY = 16
"""Where more than one column of so many outgrows its slots, the other kernel does them in the same precision."""


Kernel = Callable[..., None]
"""Solves columns first to last - 1 into the arrays that follow: index, values, size, steps, residual, close."""


Found = tuple[Weights, Tensor, Tensor, Tensor]
"""Weights, codewords that entered and relative KKT residuals, infinite where a kernel gave up; and whether rounding
errors may have decided about the support."""


def solve_compiled(problem: Instance, tol: float, max_iter: Tensor) -> Found:
    """Solves an instance on the CPU to the tolerance, in its dtype."""
    if not _few(problem):
        return _solve(problem, tol, max_iter, _by_columns)
    weights, steps, residual, close = _solve(problem, tol, max_iter, _in_lockstep)
    lost = (residual.isinf() & ~close).nonzero().flatten()
    # A few are solved in float64 with those that rounding decides; supports of a whole codebook may be large.
    if _MANY * lost.numel() > residual.numel():
        more, taken, reached, near = _solve(problem.select(lost), tol, (max_iter - steps)[lost], _by_columns)
        weights, steps = weights.replaced(lost, more), steps.index_add(0, lost, taken)
        residual, close = residual.index_copy(0, lost, reached), close.index_copy(0, lost, near)
    return weights, steps, residual, close


def _solve(
    problem: Instance, tol: float, max_iter: Tensor, how: Callable[..., tuple[int, Callable[[], Kernel]]]
) -> Found:
    N, K = problem.latents.shape[0], problem.codebook.shape[0]
    capacity, kernel = how(problem, tol, max_iter)
    steps = torch.zeros(N, dtype=torch.long, device=CPU)
    residual = torch.full((N,), torch.inf, dtype=torch.float64, device=CPU)
    close = torch.zeros(N, dtype=torch.bool, device=CPU)
    least, most = _COLUMNS_PER_CHUNK
    columns = min(most, max(least, N // (8 * torch.get_num_threads())))
    chunks: dict[int, Weights] = {}

    def work(todo: Iterator[tuple[int, int]]) -> None:
        solve = kernel()
        index = torch.empty(columns, capacity, dtype=torch.long, device=CPU)
        values = torch.empty(columns, capacity, dtype=torch.float64, device=CPU)
        size = torch.empty(columns, dtype=torch.long, device=CPU)
        for first, last in todo:
            solve(first, last, *numpy(index, values, size, steps[first:last], residual[first:last], close[first:last]))
            width = int(size[: last - first].max())
            chunks[first] = Weights(values[: last - first, :width].clone(), index[: last - first, :width].clone(), K)

    in_chunks(work, N, columns)
    return Weights.join([chunks[first] for first in sorted(chunks)]), steps, residual, close


def _few(problem: Instance) -> bool:
    """Whether supports are small enough, and columns many enough, for lockstep."""
    (N, F), K = problem.latents.shape, problem.codebook.shape[0]
    most, entries = _LOCKSTEP
    return problem.latents.dtype == torch.float32 and F <= most and K * F <= entries and N >= _LANES_FILLED


def _settings(problem: Instance, tol: float, max_iter: Tensor) -> tuple:
    dtype = problem.latents.dtype
    tolerances = tol * _SHARE[dtype], float(problem.floor), _RESOLUTION[dtype]
    return float(problem.lam), *numpy(problem.anchor.contiguous()), *tolerances, *numpy(max_iter.contiguous())


def _by_columns(problem: Instance, tol: float, max_iter: Tensor) -> tuple[int, Callable[[], Kernel]]:
    """The largest support, and what makes the kernel for a thread."""
    codebook, (N, F), K = problem.codebook, problem.latents.shape, problem.codebook.shape[0]
    worthwhile = K <= _GRAM_CODEWORDS and K * K <= _PRODUCTS * N
    gram = codebook @ codebook.T if worthwhile else codebook.new_empty(0, 0)
    capacity = min(K, 2 * F + 64)
    inputs = numpy(aligned(problem.latents), aligned(codebook)[:K], tiled(codebook), gram)
    settings = _settings(problem, tol, max_iter)
    rounds = 1 if K * F <= _SMALL else _ROUNDS

    def kernel() -> Kernel:
        spare = numpy(*scratch(capacity, K, F, codebook.dtype))
        return lambda first, last, *written: solve_columns(first, last, *inputs, *settings, rounds, *written, *spare)

    return capacity, kernel


def _in_lockstep(problem: Instance, tol: float, max_iter: Tensor) -> tuple[int, Callable[[], Kernel]]:
    """The same of columns in lockstep."""
    codebook, F, K = problem.codebook, problem.latents.shape[1], problem.codebook.shape[0]
    inputs = numpy(aligned(problem.latents), aligned(codebook)[:K], tiled(codebook), codebook.square().sum(1))
    settings = _settings(problem, tol, max_iter)

    def kernel() -> Kernel:
        spare = numpy(*lockstep_scratch(K, F))
        return lambda first, last, *written: solve_in_lockstep(first, last, *inputs, *settings, *written, *spare)

    return SLOTS, kernel
