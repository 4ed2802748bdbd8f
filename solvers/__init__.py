"""Simplex-constrained least squares, solved in batches, differentiated and certified: the programme of Soft Convex
Quantization (Eq. 7 of arXiv 2310.03004).

Names are imported when first used, so that listing the backends needs no torch.
"""

from typing import TYPE_CHECKING, Any

from scq.solvers import catalog, registry  # noqa: F401  the catalog registers the built-in backends
from scq.solvers.lazy import offered
from scq.solvers.registry import BackendInfo, backends, register, unregister

if TYPE_CHECKING:
    from scq.solvers.errors import BackendError, BackendMissingError, SolveError
    from scq.solvers.instance import Instance, Result
    from scq.solvers.problem import Problem
    from scq.solvers.residuals import Residuals, kkt_residuals
    from scq.solvers.solution import Solution
    from scq.solvers.solving import solve
    from scq.solvers.status import Status

_LAZY = {
    "BackendError": "scq.solvers.errors",
    "BackendMissingError": "scq.solvers.errors",
    "SolveError": "scq.solvers.errors",
    "Instance": "scq.solvers.instance",
    "Result": "scq.solvers.instance",
    "Problem": "scq.solvers.problem",
    "Residuals": "scq.solvers.residuals",
    "kkt_residuals": "scq.solvers.residuals",
    "Solution": "scq.solvers.solution",
    "solve": "scq.solvers.solving",
    "Status": "scq.solvers.status",
}

__all__ = [
    "BackendError",
    "BackendInfo",
    "BackendMissingError",
    "Instance",
    "Problem",
    "Residuals",
    "Result",
    "Solution",
    "SolveError",
    "Status",
    "backends",
    "kkt_residuals",
    "register",
    "solve",
    "unregister",
]


def __getattr__(name: str) -> Any:
    return offered("scq.solvers", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
