r"""Clarabel, a primal-dual interior point for cones, in Rust; one column after the other. A peer; exact.

    minimise 1/2 p^T H p - q^T p   subject to   p >= 0, sum(p) = 1,      H = C C^T + lam I,  q = C z + lam a

H is passed as it is, dense in a sparse format; the solver is set up once a batch, and every column only replaces q.

Warm start: none; Clarabel has none. Gradient: the shared implicit differentiation.
Link: https://clarabel.org
Source: P. Goulart and Y. Chen, "Clarabel: An interior-point solver for conic programs with quadratic objectives",
arXiv 2405.12762.
"""

from collections.abc import Mapping
from typing import Any

import clarabel
import numpy as np
import scipy.sparse
import torch

from scq.solvers.errors import OptionError
from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status

_TIGHTEST = 1e-13
"""Below this, Clarabel stops for lack of progress where lam outweighs the codebook, and returns a worse iterate."""

_SHARE = 1e-3
"""Clarabel's tolerance as a share of ``tol``: the weights' error goes with the square root of the gap, and the last
digits cost an iteration each."""

_STATUS = {
    "Solved": Status.SOLVED,
    # These come with Clarabel's best iterate; the certificate decides whether it is good enough.
    "AlmostSolved": Status.MAX_ITER,
    "MaxIterations": Status.MAX_ITER,
    "MaxTime": Status.MAX_ITER,
    "InsufficientProgress": Status.MAX_ITER,
}


def solve(
    problem: Instance, *, tol: float, max_iter: int | None = None, settings: Mapping[str, Any] | None = None
) -> Result:
    """Solves an instance.

    Args:
        problem: the instance, in float64.
        tol: becomes ``tol_gap_abs``, ``tol_gap_rel`` and ``tol_feas``, in the units of the instance.
        max_iter: becomes ``max_iter``; by default Clarabel's own, 200.
        settings: Clarabel's settings by their own names; they replace ours.

    Raises:
        OptionError: a setting that Clarabel does not have, or a value that it cannot take.
    """
    N, K = problem.latents.shape[0], problem.codebook.shape[0]
    problem = problem.detach()
    H = problem.hessian().numpy()
    linear = problem.gradient(problem.codebook.new_zeros(N, K)).numpy()

    precision = max(_TIGHTEST, problem.allowed(_SHARE * tol))
    # Presolve would take away rows, and then q could not be replaced.
    ours = {"verbose": False, "presolve_enable": False}
    ours |= dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), precision)
    ours |= {} if max_iter is None else {"max_iter": max_iter}
    solver = clarabel.DefaultSolver(
        scipy.sparse.csc_matrix(np.triu(H)),
        np.zeros(K),
        scipy.sparse.csc_matrix(np.vstack([np.ones((1, K)), -np.eye(K)])),
        np.append(1.0, np.zeros(K)),
        [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(K)],
        _settings(ours | dict(settings or {})),
    )
    weights = np.zeros((N, K))
    status, iterations = np.zeros(N, dtype=np.int64), np.zeros(N, dtype=np.int64)
    for n in range(N):
        solver.update(q=linear[n])
        solution = solver.solve()
        weights[n] = solution.x
        status[n], iterations[n] = _STATUS.get(str(solution.status), Status.FAILED), solution.iterations
    return Result(torch.from_numpy(weights), torch.from_numpy(status), torch.from_numpy(iterations))


def _settings(values: dict[str, Any]) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    for name, value in values.items():
        if not hasattr(settings, name):
            known = ", ".join(x for x in dir(settings) if not x.startswith("_"))
            raise OptionError(f"settings has {name!r}, Clarabel knows: {known}")
        try:
            setattr(settings, name, value)
        except (TypeError, ValueError, OverflowError) as error:
            raise OptionError(f"settings[{name!r}] is {value!r}: {error}") from error
    return settings
