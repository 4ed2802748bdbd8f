r"""DAQP, a dual active-set solver in C; one column after the other. A peer; exact.

    minimise 1/2 p^T H p - q^T p   subject to   p >= 0, sum(p) = 1,      H = C C^T + lam I,  q = C z + lam a

The workspace with H's factor is set up once a batch, and every column only replaces q. As an active-set method it ends
at machine precision or not at all, and it tells which codewords are active.

Warm start: none; DAQP could start from the previous column, but then the result would depend on the columns' order.
Gradient: the shared implicit differentiation.
Link: https://github.com/darnstrom/daqp
Source: D. Arnström, A. Bemporad, D. Axehill, "A dual active-set solver for embedded quadratic programming using
recursive LDL^T updates", IEEE Transactions on Automatic Control 67 (2022).
"""

from collections.abc import Mapping
from typing import Any

import daqp
import numpy as np
import torch

from scq.solvers.errors import OptionError
from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status
from scq.solvers.support import Support
from scq.solvers.weights import Weights

_EQUALITY = 5
"""DAQP's code of a constraint that always holds with equality."""

_TIGHTEST = 1e-14
"""Below this, a tolerance of DAQP is within its rounding errors."""

_STATUS = {1: Status.SOLVED, -2: Status.MAX_ITER, -4: Status.MAX_ITER}
"""DAQP's exit flags: optimal, cycling, iteration limit. The others (infeasible, unbounded, ...) have no solution."""


def solve(
    problem: Instance, *, tol: float, max_iter: int | None = None, settings: Mapping[str, Any] | None = None
) -> Result:
    """Solves an instance.

    Args:
        problem: the instance, in float64.
        tol: becomes ``primal_tol`` and ``dual_tol``, in the units of the instance.
        max_iter: becomes ``iter_limit``; by default DAQP's own, 10,000.
        settings: DAQP's settings by their own names; they replace ours.

    Raises:
        OptionError: a setting that DAQP does not have, or a value that it cannot take.
    """
    N, K = problem.latents.shape[0], problem.codebook.shape[0]
    problem = problem.detach()
    H = problem.hessian().numpy()
    linear = problem.gradient(problem.codebook.new_zeros(N, K)).numpy()
    upper, lower = np.append(np.full(K, 1e30), 1.0), np.append(np.zeros(K), 1.0)
    sense = np.append(np.zeros(K, dtype=np.int32), np.int32(_EQUALITY))

    model = daqp.Model()
    flag, _ = model.setup(H, np.zeros(K), np.ones((1, K)), upper, lower, sense.copy())
    if flag < 0:
        raise RuntimeError(f"DAQP's set-up ended with exit flag {flag}")
    precision = max(_TIGHTEST, problem.allowed(0.1 * tol))
    ours = {"primal_tol": precision, "dual_tol": min(precision, 1e-12)}
    model.settings = _known(model, ours | ({} if max_iter is None else {"iter_limit": max_iter}) | dict(settings or {}))

    weights, active = np.zeros((N, K)), np.zeros((N, K), dtype=bool)
    status, iterations = np.zeros(N, dtype=np.int64), np.zeros(N, dtype=np.int64)
    for n in range(N):
        # The senses again, because DAQP would otherwise start from the last column's active set.
        model.update(f=linear[n], sense=sense.copy())
        weights[n], _, flag, info = model.solve()
        # What DAQP holds at its bound is zero up to rounding; it is written as zero.
        active[n] = info["lam"][:K] == 0
        weights[n, ~active[n]] = 0.0
        status[n], iterations[n] = _STATUS.get(flag, Status.FAILED), info["iterations"]
    support = Support.of(torch.from_numpy(active))
    compact = Weights(support.gather(torch.from_numpy(weights)), support.index, K)
    return Result(compact, torch.from_numpy(status), torch.from_numpy(iterations))


def _known(model: daqp.Model, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, after a check: DAQP itself ignores names that it does not know."""
    for name, value in settings.items():
        if name not in model.settings:
            raise OptionError(f"settings has {name!r}, DAQP knows: {', '.join(model.settings)}")
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise OptionError(f"settings[{name!r}] is {value!r}, must be a number")
    return settings
