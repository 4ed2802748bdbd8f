r"""Moreau, its batched active-set solver in Rust, derived from DAQP. A peer; exact.

    minimise 1/2 p^T H p - q^T p   subject to   A p + s = b,  s in {0} x R_+^K,      A = [1^T; -I],  b = (1, 0, ..., 0)

with H = C C^T + lam I and q = C z + lam a. The constraint p >= 0 is a row of A for every codeword: as a bound of a
cvxpy variable, Moreau 0.4.1 drops it without a word. All columns share H, and its derivative is the sum over them.

The solver is named and its limit of iterations raised: it adds or drops one codeword an iteration, mostly more than K
altogether, and the default of 200 returns whatever it has by then. The other solver of the package, an interior point,
reports its weights as solved at 1e-5 and derivatives that are off by more.

Warm start: none; Moreau's would make the result depend on what was solved before. Gradient: Moreau's own (native), or
the shared implicit differentiation.
Link: https://github.com/moreau-project/moreau
Source: the active-set method is that of D. Arnström, A. Bemporad, D. Axehill, "A dual active-set solver for embedded
quadratic programming using recursive LDL^T updates", IEEE Transactions on Automatic Control 67 (2022).
"""

from collections.abc import Mapping
from typing import Any

import moreau
import torch
from moreau.torch import Solver

from scq.solvers.errors import OptionError
from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status

_TIGHTEST = 1e-14
"""Below this, a tolerance is within the solver's rounding errors."""

_STATUS = {moreau.SolverStatus.Solved: Status.SOLVED, moreau.SolverStatus.MaxIterations: Status.MAX_ITER}
"""The others (infeasible, numerical error, ...) have no solution."""


def solve(
    problem: Instance,
    *,
    tol: float,
    max_iter: int | None = None,
    settings: Mapping[str, Any] | None = None,
    solver: str = "active_set",
) -> Result:
    """Solves an instance.

    Args:
        problem: the instance, in float64; with autograd history for Moreau's own gradient.
        tol: becomes ``primal_tol``, in the units of the instance.
        max_iter: becomes ``max_iter`` and ``iter_limit``; by default 10 K + 1000.
        settings: of ``moreau.ActiveSetSettings`` by their own names; they replace ours.
        solver: ``"active_set"``, or ``"auto"`` for the package's own choice with the package's own settings: its
            tolerances, and 200 iterations unless ``max_iter`` says otherwise.

    Raises:
        OptionError: a setting that Moreau does not have, or a value that it cannot take.
    """
    if solver not in ("active_set", "auto"):
        raise OptionError(f"solver is {solver!r}, must be 'active_set' or 'auto'")
    if solver == "auto" and settings:
        raise OptionError("settings are those of the active set, must be left out with solver='auto'")
    N, K = problem.latents.shape[0], problem.codebook.shape[0]
    chosen = {} if max_iter is None else {"max_iter": max_iter}
    if solver == "active_set":
        chosen = {"max_iter": 10 * K + 1000} | chosen
        precision = max(_TIGHTEST, problem.allowed(0.1 * tol))
        ours = {"primal_tol": precision, "iter_limit": chosen["max_iter"]}
        chosen["active_set_settings"] = _settings(ours, dict(settings or {}))
    device = problem.latents.device
    codewords = torch.arange(K, dtype=torch.long, device=device)
    ones = torch.ones(K, dtype=torch.float64, device=device)
    layer = Solver(
        K,
        K + 1,
        torch.arange(0, K * K + 1, K, dtype=torch.long, device=device),
        codewords.repeat(K),
        torch.cat([codewords.new_zeros(1), torch.arange(K, 2 * K + 1, dtype=torch.long, device=device)]),
        codewords.repeat(2),
        moreau.Cones(num_zero_cones=1, num_nonneg_cones=K),
        moreau.Settings(solver=solver, device=device.type, batch_size=N, enable_grad=True, **chosen),
    )
    linear = problem.gradient(problem.latents.new_zeros(N, K))
    right = torch.eye(1, K + 1, dtype=torch.float64, device=device).repeat(N, 1)
    solution = layer.solve(problem.hessian().reshape(-1), torch.cat([ones, -ones]), linear, right)
    states = layer.info.status if isinstance(layer.info.status, list) else [layer.info.status]
    status = torch.tensor([int(_STATUS.get(state, Status.FAILED)) for state in states], dtype=torch.long, device=device)
    iterations = torch.as_tensor(layer.info.iterations, dtype=torch.long, device=device).reshape(-1).expand(N).clone()
    return Result(solution.x.reshape(N, K), status, iterations)


def _settings(ours: dict[str, Any], theirs: dict[str, Any]) -> moreau.ActiveSetSettings:
    known = moreau.ActiveSetSettings.model_fields
    for name in theirs:
        if name not in known:
            raise OptionError(f"settings has {name!r}, Moreau knows: {', '.join(known)}")
    try:
        return moreau.ActiveSetSettings(**ours | theirs)
    except ValueError as error:
        raise OptionError(f"settings is {theirs}, refused by Moreau: {error}") from error
