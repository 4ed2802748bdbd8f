"""The backends, one file each."""

from scq.solvers.instance import Instance, Result

__all__ = ["Instance", "Result"]
