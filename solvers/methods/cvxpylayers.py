r"""cvxpylayers with diffcp: cvxpy's problem as a torch layer, solved by SCS. A peer; exact.

    minimise 1/2 ||C^T p - z||^2 + 1/2 ||s p - b||^2   subject to   p >= 0, sum(p) = 1,     s = sqrt(lam),  b = s a

with parameters C, z, s and b: no product of two parameters, as cvxpy's rules for parametrised problems (DPP) ask. The
codebook has no batch dimension, and its derivative is the sum over the columns. The layer of a shape is built once.

Ours by default are tolerances of 1e-10 and the dense derivative. With the peer's own defaults (``solver_args={}``:
tolerances of 1e-4, and LSQR) weights were off by up to 7e-3 and gradients by 0.1 to 19 % at F 16, K 128. The dense
derivative keeps a matrix of 3 K + F + 8 rows for every column until the backward pass.

diffcp takes an incoming gradient whose entries are all below 1e-8 for zero, column by column, as small losses and means
over large batches make them. It is therefore brought to unit size on the way in, and its result back on the way out.

Columns that ran out of iterations are announced by a Python warning that names none of them: all columns of the call
are then in doubt, until the certificate clears the innocent ones. Iterations are not reported: 0.

Warm start: none; cvxpylayers has none for diffcp. Gradient: its own (native), or the shared implicit differentiation.
Link: https://github.com/cvxpy/cvxpylayers
Source: A. Agrawal et al., "Differentiable convex optimization layers", arXiv 1910.12430; B. O'Donoghue et al., "Conic
optimization via operator splitting and homogeneous self-dual embedding", arXiv 1312.3039.
"""

import contextlib
import functools
import traceback
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import cvxpy
import torch
from cvxpylayers.torch import CvxpyLayer
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from scq.solvers.errors import OptionError
from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status

_MODES = ("dense", "lsqr", "lsmr", "lpgd", "lpgd_left", "lpgd_right")

_SOLVERS = ("DIFFCP", "MOREAU")

_DERIVATIVE_ONLY = ("mode", "n_jobs_backward", "derivative_kwargs")

_INACCURATE = "Solved/Inaccurate"
"""How diffcp's warning begins when SCS ran out of iterations."""

_CHUNK_ELEMENTS = 2**22
"""Entries of a chunk's matrices, one dense K x F block a column, of which the layer holds several copies."""


def solve(
    problem: Instance,
    *,
    tol: float,
    max_iter: int | None = None,
    mode: str = "dense",
    eps: float | None = None,
    solver_args: Mapping[str, Any] | None = None,
    solver: str = "DIFFCP",
    follow_tol: bool = False,
) -> Result:
    """Solves an instance.

    Args:
        problem: the instance, in float64; with autograd history for the layer's own gradient.
        tol: lowers ``eps``, down to 1e-13, where it asks for more than the default gives; it raises it only with
            ``follow_tol``, because the derivative is read off the solution.
        max_iter: becomes SCS's ``max_iters``; by default SCS's own, 100,000.
        mode: diffcp's derivative: ``"dense"``, ``"lsqr"``, ``"lsmr"``, ``"lpgd"``, ``"lpgd_left"``, ``"lpgd_right"``.
        eps: SCS's absolute and relative tolerance, by default 1e-10.
        solver_args: what the layer passes to diffcp and SCS, or to another solver, in the place of all of the above.
        solver: cvxpylayers' ``solver``: ``"DIFFCP"`` or ``"MOREAU"``. Moreau 0.4.1 drops the constraint p >= 0 without
            a word when it gets the problem from cvxpylayers, as the certificate shows.
        follow_tol: let ``tol`` raise ``eps`` too.
    """
    if mode not in _MODES:
        raise OptionError(f"mode is {mode!r}, must be one of: {', '.join(_MODES)}")
    if eps is not None and not eps > 0:
        raise OptionError(f"eps is {eps!r}, must be > 0")
    if solver not in _SOLVERS:
        raise OptionError(f"solver is {solver!r}, must be one of: {', '.join(_SOLVERS)}")
    if solver != "DIFFCP" and solver_args is None:
        raise OptionError(f"solver is {solver!r}, which needs solver_args: mode, eps and tol are those of DIFFCP")
    given = solver_args is not None
    if solver_args is None:
        solver_args = {"mode": mode, "eps": _precision(tol, problem, follow_tol) if eps is None else eps}
        solver_args |= {} if max_iter is None else {"max_iters": max_iter}
    C, s = problem.codebook, problem.lam.sqrt()
    K, F = C.shape
    layer = _layer(K, F, solver)
    parts = []
    rows = max(1, _CHUNK_ELEMENTS // (K * F))
    for z, anchor in zip(problem.latents.split(rows), problem.anchor.split(rows), strict=True):
        a = anchor if anchor.dim() == 2 else torch.nn.functional.one_hot(anchor, K).to(C.dtype)
        parts.append(_solve_chunk(layer, (C, z, s, s * a), dict(solver_args), given))
    weights, status = zip(*parts, strict=True)
    status = torch.cat(status)
    return Result(torch.cat(weights), status, torch.zeros_like(status))


def _precision(tol: float, problem: Instance, follow_tol: bool) -> float:
    """SCS's tolerance; below 1e-13 it does not come to an end."""
    wanted = max(1e-13, problem.allowed(0.1 * tol))
    return wanted if follow_tol else min(1e-10, wanted)


@functools.lru_cache(maxsize=8)
def _layer(K: int, F: int, solver: str) -> CvxpyLayer:
    p = cvxpy.Variable(K)
    C, z, s, b = cvxpy.Parameter((K, F)), cvxpy.Parameter(F), cvxpy.Parameter(nonneg=True), cvxpy.Parameter(K)
    objective = 0.5 * cvxpy.sum_squares(C.T @ p - z) + 0.5 * cvxpy.sum_squares(s * p - b)
    problem = cvxpy.Problem(cvxpy.Minimize(objective), [p >= 0, cvxpy.sum(p) == 1])
    return CvxpyLayer(problem, parameters=[C, z, s, b], variables=[p], solver=solver)


def _solve_chunk(
    layer: CvxpyLayer, parameters: tuple[Tensor, ...], solver_args: dict[str, Any], given: bool
) -> tuple[Float[Tensor, "n K"], Int[Tensor, " n"]]:
    if not any(x.requires_grad for x in parameters):
        # Without a derivative to prepare, the layer hands everything on to SCS, which knows none of these.
        solver_args = {name: value for name, value in solver_args.items() if name not in _DERIVATIVE_ONLY}
    with warnings.catch_warnings(record=True) as caught, _without_array_warning():
        warnings.filterwarnings("always", message=_INACCURATE)
        try:
            weights = _Layer.apply(layer, solver_args, *parameters)
        except Exception as error:
            # diffcp leaves its thread pool open when a column raises. It goes now, where its complaint can be met.
            warnings.filterwarnings("ignore", message="unclosed running multiprocessing pool", category=ResourceWarning)
            traceback.clear_frames(error.__traceback__)
            # Of arguments of ours, it is the peer that does not fit.
            if given and isinstance(error, TypeError | AttributeError):
                raise OptionError(f"solver_args is {solver_args}, refused by the peer: {error}") from error
            raise
    inaccurate = [w for w in caught if str(w.message).startswith(_INACCURATE)]
    for w in caught:
        if w not in inaccurate:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    status = Status.MAX_ITER if inaccurate else Status.SOLVED
    return weights, torch.full((weights.shape[0],), int(status), dtype=torch.long, device=weights.device)


class _Layer(torch.autograd.Function):
    """The layer, with its backward pass inside a call of ours, where its warnings can be met."""

    @staticmethod
    def forward(ctx, layer, solver_args, *parameters):
        ctx.leaves = [x.detach().requires_grad_(x.requires_grad) for x in parameters]
        with torch.enable_grad():
            (ctx.weights,) = layer(*ctx.leaves, solver_args=solver_args)
        return ctx.weights.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        wanted = [x for x in ctx.leaves if x.requires_grad]
        size = grad.abs().amax()
        size = torch.where(size > 0, size, 1.0)
        with _without_array_warning():
            found = iter(torch.autograd.grad(ctx.weights, wanted, grad / size, retain_graph=True))
        return None, None, *(size * next(found) if x.requires_grad else None for x in ctx.leaves)


@contextlib.contextmanager
def _without_array_warning() -> Iterator[None]:
    """Silences one warning: the peer makes arrays of tensors in a way that NumPy 2 deprecates."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        yield
