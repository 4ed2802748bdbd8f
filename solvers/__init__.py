"""Simplex-constrained least squares, solved in batches, differentiated and certified: the programme of Soft Convex
Quantization (Eq. 7 of arXiv 2310.03004).

Names are imported when first used, so that listing the backends needs no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from solvers import catalog  # noqa: F401  registers the built-in backends
from solvers.registry import BackendInfo, backends, register, unregister

if TYPE_CHECKING:
    from solvers._solve import solve
    from solvers.errors import BackendMissingError, SolveError
    from solvers.problem import Problem
    from solvers.residuals import Residuals, kkt_residuals
    from solvers.solution import Solution
    from solvers.status import Status

_LAZY = {
    "BackendMissingError": "solvers.errors",
    "SolveError": "solvers.errors",
    "Problem": "solvers.problem",
    "Residuals": "solvers.residuals",
    "kkt_residuals": "solvers.residuals",
    "Solution": "solvers.solution",
    "solve": "solvers._solve",
    "Status": "solvers.status",
}

__all__ = [
    "BackendInfo",
    "BackendMissingError",
    "Problem",
    "Residuals",
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
    if name not in _LAZY:
        raise AttributeError(f"module 'solvers' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
