"""Kernels for the CPU, compiled by Numba when first called and kept on disk: no compiler is needed to install them.

Importing any of them takes the second that Numba's import takes. All release the interpreter lock and run on as many
threads as torch does. :mod:`scq.solvers.compiled.cache` says where they are kept; an edit of any file here compiles all
of them anew.
"""

import functools
import logging


@functools.cache
def usable() -> bool:
    """Whether Numba can compile here. Where it cannot, as in a debugger that sets NUMBA_DISABLE_JIT or beside a NumPy
    that it does not know, that is logged once, and callers take their path of tensor operations, which is slower."""
    try:
        import numba
    except Exception as error:  # noqa: BLE001  what a package raises that does not fit the others may be anything
        why = f"Numba cannot be imported ({type(error).__name__}: {error})"
    else:
        if not numba.config.DISABLE_JIT:
            return True
        why = "NUMBA_DISABLE_JIT switches Numba's compiler off"
    logging.getLogger("scq").warning(
        "%s: exact solves on the CPU go by tensor operations, which give the same and take many times as long.", why
    )
    return False
