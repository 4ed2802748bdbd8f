"""Backends that misbehave, to be found by name in another process."""

import os
import time

import torch

from scq.solvers.instance import Instance, Result
from scq.solvers.status import Status


def anchors(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    """Plain vector quantization: correct shapes, far from the exact solution."""
    weights = torch.nn.functional.one_hot(problem.anchor, problem.codebook.shape[0]).to(problem.codebook.dtype)
    weights = weights + 0 * problem.latents.sum() + 0 * problem.codebook.sum()
    status = torch.full((weights.shape[0],), int(Status.APPROXIMATE))
    return Result(weights, status, torch.ones_like(status))


def hang(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    time.sleep(600)
    raise AssertionError("never reached")


def crash(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    os.abort()


def leave(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
    raise BaseException("nobody catches me")
