r"""qpth (OptNet), a batched primal-dual interior point in torch. A peer; exact.

    minimise 1/2 p^T Q p - q^T p   subject to   p >= 0, sum(p) = 1,      Q = C C^T + lam I,  q = C z + lam a

Q is expanded to one matrix a column: qpth gives a parameter without batch dimension the mean of the columns'
derivatives where the sum is right. It costs N K^2 numbers and K^3 work a column, so columns go in chunks.

qpth says how it ended only in print, and only for all columns of a call together. Its print is read: a warning or the
last permitted iteration counts for all of them, until the certificate clears the innocent ones.

Warm start: none; qpth has none. Gradient: qpth's own (native), or the shared implicit differentiation.
Link: https://github.com/locuslab/qpth
Source: B. Amos and J. Z. Kolter, "OptNet: Differentiable optimization as a layer in neural networks", arXiv 1703.00443.
"""

import contextlib
import io
import warnings

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scq.solvers.errors import OptionError
from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status

with warnings.catch_warnings():
    # A docstring of qpth's has a backslash that Python warns of: DeprecationWarning until 3.11, then SyntaxWarning.
    warnings.filterwarnings("ignore", message="(?s).*invalid escape sequence")
    from qpth.qp import QPFunction

_CHUNK_ELEMENTS = 2**22
"""Entries of a chunk's Q: 32 MB, and qpth holds about eight arrays of that size."""


def solve(
    problem: Instance,
    *,
    tol: float,
    max_iter: int | None = None,
    eps: float | None = None,
    not_improved_limit: int = 3,
    expand: bool = True,
    dtype: str = "float64",
    follow_tol: bool = False,
) -> Result:
    """Solves an instance.

    Args:
        problem: the instance, in float64; with autograd history for qpth's own gradient.
        tol: lowers ``eps`` where it asks for more than the default gives; it raises it only with ``follow_tol``,
            because the derivative is read off the solution.
        max_iter: becomes ``maxIter``; by default qpth's own, 20.
        eps: qpth's bound of a column's residuals, by default its own 1e-12. A looser one makes its gradient wrong well
            before its weights.
        not_improved_limit: qpth's ``notImprovedLim``: it stops after so many iterations that improve no column.
        expand: a Q for every column. With False it is passed once, as most code does, and its derivative is the mean
            over the columns of a chunk where the sum is right.
        dtype: what qpth computes in, ``"float64"`` or ``"float32"``. It solves in float32 without a word, with
            derivatives that are mostly wrong.
        follow_tol: let ``tol`` raise ``eps`` too.
    """
    if eps is not None and not eps > 0:
        raise OptionError(f"eps is {eps!r}, must be > 0")
    if not isinstance(not_improved_limit, int) or not_improved_limit < 1:
        raise OptionError(f"not_improved_limit is {not_improved_limit!r}, must be an integer >= 1")
    if dtype not in ("float32", "float64"):
        raise OptionError(f"dtype is {dtype!r}, must be 'float32' or 'float64'")
    if eps is None:
        wanted = problem.allowed(tol)
        eps = wanted if follow_tol else min(1e-12, wanted)
    problem = problem.to(getattr(torch, dtype))
    max_iter = 20 if max_iter is None else max_iter
    N, K = problem.latents.shape[0], problem.codebook.shape[0]
    # verbose=1 prints a line an iteration, which is how the iterations are counted.
    layer = QPFunction(eps=eps, verbose=1, notImprovedLim=not_improved_limit, maxIter=max_iter)
    Q = problem.hessian()
    linear = problem.gradient(problem.latents.new_zeros(N, K))
    parts = [_solve_chunk(layer, Q, q, max_iter, expand) for q in linear.split(max(1, _CHUNK_ELEMENTS // (K * K)))]
    weights, status, iterations = zip(*parts, strict=True)
    return Result(torch.cat(weights), torch.cat(status), torch.cat(iterations))


def _solve_chunk(
    layer, Q: Float[Tensor, "K K"], linear: Float[Tensor, "n K"], max_iter: int, expand: bool
) -> tuple[Float[Tensor, "n K"], Int[Tensor, " n"], Int[Tensor, " n"]]:
    n, K = linear.shape
    identity, ones = torch.eye(K, dtype=Q.dtype, device=Q.device), Q.new_ones(1, K)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        # The constraints are constants, so that the mean of their derivatives concerns nobody.
        weights = layer(Q.expand(n, K, K) if expand else Q, linear, -identity, Q.new_zeros(K), ones, Q.new_ones(1))
    text = printed.getvalue()
    count = text.count("iter: ")
    doubtful = count >= max_iter or "qpth warning" in text
    status = torch.full(
        (n,), int(Status.MAX_ITER if doubtful else Status.SOLVED), dtype=torch.long, device=weights.device
    )
    return weights, status, torch.full_like(status, count)
