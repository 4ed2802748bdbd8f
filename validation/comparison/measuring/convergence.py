"""How the certificate falls as a backend iterates: the same columns, stopped after 1 iteration, after 2, and so on."""

import inspect
import time
from collections.abc import Mapping
from typing import Any

from scq import solvers
from scq.solvers.attempt import compact, normalise
from scq.solvers.registry import BackendInfo

COLUMNS = 16
"""The columns that a curve is of: it takes some twenty solves."""

_COUNTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000, 10000)


def curve(
    info: BackendInfo, problem: solvers.Problem, options: Mapping[str, Any], seconds: float
) -> list[tuple[int, float, float]]:
    """Relative KKT residuals of a backend that is stopped after k iterations, for growing k.

    The backend is called without ``solvers.solve``, which would put the anchor in the place of every column that is not
    solved yet. A curve ends when every column is solved, or when the time is up; that of a relaxation at 1,000 steps.

    Args:
        info: the backend. ``max_iter`` is k, or ``steps`` where it has that option.
        problem: in float64, so that every backend computes in the problem's precision.
        options: of ``solvers.solve``, ``tol`` among them.
        seconds: for the whole curve; one more solve is not started after them.

    Returns:
        k, the median and the largest residual over columns, for each k.
    """
    run = info.load()
    further = {name: value for name, value in options.items() if name not in ("tol", "as_given")}
    by_steps = "steps" in inspect.signature(run).parameters
    centred = info.exact and not options.get("as_given", False)
    instance = normalise(problem, problem.latents.dtype, centred).detach()
    tol = 1.0 if options["tol"] is None else options["tol"]
    end = time.perf_counter() + seconds
    points = []
    for count in _COUNTS:
        if time.perf_counter() > end or (by_steps and count > 1000):
            break
        limit = {"steps": count} if by_steps else {"max_iter": count}
        result = run(instance, tol=tol, **further | limit)
        relative = solvers.kkt_residuals(problem, compact(result)).relative
        points.append((count, float(relative.median()), float(relative.max())))
        if bool((result.status == solvers.Status.SOLVED).all()):
            break
    return points
