"""The exact solve and its derivative on a GPU in a few launches: kernels in Triton, one column a program.

Importing the other modules imports Triton, which torch for CUDA and ROCm brings along. What the kernels do not do, such
as a column whose support outgrows the places that they have for it, is done by tensor operations.
"""

import functools
import logging

import torch

PLACES = 512
"""Codewords of a support at most: for more, the inverse of its matrix (2 MB in float64) is too large for every program
to have one."""


def usable(device: torch.device) -> bool:
    """Whether these kernels are what solves on the device. Where Triton cannot be imported there, that is logged once,
    and callers take their path of tensor operations, which is slower."""
    return device.type == "cuda" and _importable()


@functools.cache
def _importable() -> bool:
    try:
        import triton  # noqa: F401
    except Exception as error:  # noqa: BLE001  what a package raises that does not fit the others may be anything
        logging.getLogger("scq").warning(
            "Triton cannot be imported (%s: %s): exact solves on the GPU go by tensor operations, which give the same "
            "in hundreds of times as many launches.",
            type(error).__name__,
            error,
        )
        return False
    return True
