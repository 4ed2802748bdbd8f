"""Backends on the same problems: time, memory, residuals and errors."""
