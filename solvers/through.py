"""A solve that torch.func's transforms see through."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from scq.solvers.attempt import judge, normalise
from scq.solvers.closed_form import weights_on_support
from scq.solvers.implicit import support_of
from scq.solvers.instance import Result
from scq.solvers.problem import Problem
from scq.solvers.registry import BackendInfo
from scq.solvers.solution import Solution, Solved
from scq.solvers.status import failed_of
from scq.solvers.support import Support
from scq.solvers.transforms import outside
from scq.solvers.weights import Weights


def through_transforms(
    problem: Problem,
    info: BackendInfo,
    dtype: torch.dtype,
    gradient: str,
    again: Callable[..., Solution],
    options: Mapping[str, Any],
) -> Solved:
    """What is found; its reconstruction is in float32 or better.

    The support is found by a solve of the plain tensors; the weights on it are a closed form, which every transform can
    differentiate and map. A derivative that a backend has of its own is seen only where it is torch code of ours.

    Args:
        problem, info, dtype, gradient, options: as ``solve`` has them.
        again: ``solve``, with all but problem and gradient.

    Raises:
        RuntimeError: the derivative is a peer's own, or a history was asked for.
    """
    if options.get("history"):
        raise RuntimeError("history=True is not to be had within torch.func's transforms; ask for it outside")
    with torch.autocast(problem.latents.device.type, enabled=False):
        if gradient != "native":
            return _combined(problem, *_implicit(problem, info, again, gradient))
        if info.package is not None:
            raise RuntimeError(
                f"torch.func's transforms do not see through the derivative that backend {info.name!r} has of its own; "
                "gradient='implicit' they do"
            )
        return solve_by_torch(problem, info, info.load(), dtype, options)


def _combined(problem: Problem, weights: Weights, status: Tensor, iterations: Tensor) -> Solved:
    combined = (weights.values[:, None] @ _rows(problem.codebook, weights)).squeeze(1)
    combined = torch.where(failed_of(status)[:, None], combined.detach(), combined)
    combined = combined.to(torch.promote_types(problem.latents.dtype, torch.float32))
    return Solved(weights.to(problem.latents.dtype), combined, problem.anchor, status, iterations)


def _rows(codebook: Tensor, weights: Weights) -> Tensor:
    codebook = codebook.to(weights.values.dtype)
    return codebook if weights.index is None else codebook[weights.index]


def _implicit(
    problem: Problem, info: BackendInfo, again: Callable[..., Solution], gradient: str
) -> tuple[Weights, Tensor, Tensor]:
    def plain(latents: Tensor, codebook: Tensor, lam: Tensor, anchor: Tensor) -> tuple[Tensor, ...]:
        inner = Problem(latents, codebook, lam, anchor)
        solution = again(inner, gradient=gradient)
        weights = solution.compact.to(torch.float64)
        support = support_of(normalise(inner, torch.float64, info.exact), weights, solution.failed)
        return *support, solution.status, solution.iterations

    values, index, active, status, iterations = outside(
        plain, problem.latents, problem.codebook, problem.lam, problem.anchor
    )
    if gradient == "implicit":
        instance = normalise(problem, torch.float64, centred=info.exact)
        p = weights_on_support(
            instance.latents, instance.codebook, instance.lam, instance.anchor, Support(index, active), values
        )
        values = torch.where(active, p, values)
    return Weights(values, index, problem.codebook.shape[0]), status, iterations


def solve_by_torch(
    problem: Problem, info: BackendInfo, run: Callable[..., Result], dtype: torch.dtype, options: Mapping[str, Any]
) -> Solved:
    """By a backend that is torch code of ours, without a decision: every transform sees through it, and every compiler.

    Args:
        problem, info, dtype, options: as ``solve`` has them.
        run: the backend's function.
    """
    result = run(normalise(problem, dtype, centred=info.exact), tol=1.0, max_iter=None, **options)
    status = judge(problem, info, result, 1.0)
    anchor = problem.anchor
    if anchor.dim() == 1:
        anchor = anchor[:, None] == torch.arange(problem.codebook.shape[0], device=anchor.device)
    weights = torch.where(failed_of(status)[:, None], anchor.to(dtype).detach(), result.weights)
    return _combined(problem, Weights.dense_of(weights), status, result.iterations)
