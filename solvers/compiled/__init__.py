"""Kernels for the CPU, compiled by Numba when first called and kept on disk: no compiler is needed to install them.

Importing any of them takes the second that Numba's import takes. All release the interpreter lock and run on as many
threads as torch does. Their files are cached by entry point: whoever edits a helper deletes ``__pycache__`` here.
"""
