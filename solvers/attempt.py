"""Around a backend's call: the problem made fit for it, its failures confined to columns, its word checked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from scq.solvers.errors import OptionError
from scq.solvers.methods import Instance, Result
from scq.solvers.problem import Problem
from scq.solvers.registry import BackendInfo
from scq.solvers.residuals import kkt_residuals
from scq.solvers.status import Status
from scq.solvers.weights import Weights


def normalise(problem: Problem, dtype: torch.dtype, centred: bool) -> Instance:
    """The problem in compute precision and finite; with ``centred`` also centred and scaled, which leaves the minimiser
    as it is. The relaxation must be given the problem as it stands: its weights depend on the origin.

    Dividing codebook and latents by s and lam by s^2 divides the objective by s^2; with s^2 = max_k |c_k|^2 + lam the
    Hessian's entries are at most 1.
    """
    latents, codebook, lam = (x.to(dtype) for x in (problem.latents, problem.codebook, problem.lam))
    anchor = problem.anchor.to(dtype) if problem.anchor.dim() == 2 else problem.anchor
    floor = scale = torch.ones((), dtype=dtype, device=latents.device)
    # Before any arithmetic, so that no NaN reaches a gradient.
    latents = torch.where(problem.finite[:, None], latents, 0.0)
    if centred:
        with torch.no_grad():
            centre = codebook.mean(0)
            scale = ((codebook - centre).square().sum(1).amax() + lam).sqrt()
        latents, codebook, lam = (latents - centre) / scale, (codebook - centre) / scale, lam / scale / scale
        floor = floor / scale / scale
    return Instance(latents, codebook, lam, anchor, floor, scale)


def compact(result: Result) -> Weights:
    """The weights of a result, whichever form the backend chose."""
    return result.weights if isinstance(result.weights, Weights) else Weights.dense_of(result.weights)


_HOPELESS = 16
"""So many columns that fail one after the other, while none is solved, show that the backend is to blame."""


class Attempt:
    """Calls a backend; what it raises for a batch becomes a status of the columns to blame.

    Attributes:
        errors: what was raised, by column number.
    """

    def __init__(
        self, run: Callable[..., Result], tol: float, max_iter: int | None, options: Mapping[str, Any]
    ) -> None:
        self.run, self.tol, self.max_iter, self.options = run, tol, max_iter, options
        self.errors: dict[int, str] = {}
        self._hopeful = False

    def __call__(self, instance: Instance, first: int = 0) -> Result:
        n, K = instance.latents.shape[0], instance.codebook.shape[0]
        if n == 0:
            return self._without_solution(instance, K)
        if not self._hopeful and len(self.errors) >= _HOPELESS:
            self.errors |= dict.fromkeys(range(first, first + n), next(iter(self.errors.values())))
            return self._without_solution(instance, K)
        try:
            result = self.run(instance, tol=self.tol, max_iter=self.max_iter, **self.options)
            self._hopeful = True
            return result
        except OptionError:
            raise
        except Exception as error:  # noqa: BLE001  a peer may raise anything, and one column may be to blame
            if n == 1:
                self.errors[first] = f"{type(error).__name__}: {error}"
                return self._without_solution(instance, K)
        # Halves, so that the columns that are not to blame are still solved in batches.
        rows = torch.arange(n, device=instance.latents.device)
        half = n // 2
        left = self(instance.select(rows[:half]), first)
        right = self(instance.select(rows[half:]), first + half)
        return Result(
            Weights.join([compact(left), compact(right)]),
            torch.cat([left.status, right.status]),
            torch.cat([left.iterations, right.iterations]),
            certified=left.certified and right.certified,
        )

    def _without_solution(self, instance: Instance, K: int) -> Result:
        n = instance.latents.shape[0]
        numbers = torch.zeros(n, dtype=torch.long, device=instance.latents.device)
        history = instance.latents.new_zeros(0, n, K) if self.options.get("history") else None
        return Result(instance.latents.new_zeros(n, K), numbers + Status.FAILED, numbers, history=history)


@torch.no_grad()
def judge(problem: Problem, info: BackendInfo, result: Result, tol: float) -> Int[Tensor, " N"]:
    """Each column's status. The certificate overrules a backend that does not certify its own weights."""
    status = result.status
    weights = compact(result)
    # Of the sums: one number a column instead of S, and a sum is finite only if all are.
    sound = torch.isfinite(weights.values.sum(1))
    if info.exact and not result.certified:
        weights = replace(weights, values=torch.where(sound[:, None], weights.values, 0.0))
        accurate = kkt_residuals(problem, weights).relative <= tol
        finished = status != Status.FAILED
        status = torch.where(finished & accurate, int(Status.SOLVED), status)
        status = torch.where((status == Status.SOLVED) & ~accurate, int(Status.INACCURATE), status)
    status = torch.where(sound, status, int(Status.FAILED))
    return torch.where(problem.finite, status, int(Status.NON_FINITE))
