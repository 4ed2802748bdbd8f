"""Tolerance presets, after qpbenchmark's: one accuracy asked of every backend, mapped to each one's own option.

Source: S. Caron et al., qpbenchmark, https://github.com/qpsolvers/qpbenchmark.
"""

PRESETS = {"low": 1e-4, "mid": 1e-6, "high": 1e-9}
"""Bounds of the relative KKT residual, which ``solvers.solve(tol=...)`` takes."""

ROUNDED = {"float32": 1e-6, "float64": 0.0}
"""What rounding the weights to a dtype does to the residual: nothing below this can be asked of weights as returned."""
