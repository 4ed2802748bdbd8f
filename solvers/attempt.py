"""Around a backend's call: the problem made fit for it, its failures confined to columns, its word checked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from scq.solvers.errors import BackendError, OptionError
from scq.solvers.instance import Instance, Result
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
"""So many columns, from all over the batch, that the backend raises for while it solves none, stand for all of them."""

_NO_COLUMNS = (
    *(ImportError, SyntaxError, NameError, NotImplementedError, RecursionError),
    *(OSError, MemoryError, torch.OutOfMemoryError),
)
"""What no latent brings about: something is missing, on this machine or in the code."""

_NUMERICAL = (ArithmeticError, ValueError, RuntimeError)
"""What numbers may bring about, linear algebra's errors among them."""


class Attempt:
    """Calls a backend, and finds the columns to blame for what it raises.

    An exception says that the batch failed, not which column did; the batch is halved until the columns that the
    backend raises for are alone. It becomes their status, unless no column can be to blame:

    - its kind is one that numbers do not bring about: an ImportError, an OSError, no memory, or, of a backend that
      needs no package and so no code but torch's and ours, anything but arithmetic, ValueError and RuntimeError;
    - or the backend solves no column of the batch at all. So it is for a batch of one column: nothing tells a latent
      that defeats a backend from a backend that is defeated by any, and to be wrong about the second is to replace
      every latent by its nearest codeword without a word.

    Args:
        info: the backend's entry.
        run: its function.

    Attributes:
        errors: what was raised, by column number.
    """

    def __init__(
        self,
        info: BackendInfo,
        run: Callable[..., Result],
        tol: float,
        max_iter: int | None,
        options: Mapping[str, Any],
    ) -> None:
        self.info, self.run, self.tol, self.max_iter, self.options = info, run, tol, max_iter, options
        self.errors: dict[int, str] = {}
        self._first: Exception | None = None
        self._solves = False

    def __call__(self, instance: Instance) -> Result:
        """Solves an instance.

        Raises:
            OptionError: the backend refuses an option.
            BackendError: it solves no column, and raises for them.
            Exception: what the backend raised that no column can be to blame for.
        """
        n = instance.latents.shape[0]
        if n == 0:
            return self._without_solution(instance)
        result = self._solved(instance, range(n))
        if not self._solves:
            raise self._error(f"for {'the only column' if n == 1 else f'each of the {n} columns'}") from self._first
        return result

    def _solved(self, instance: Instance, columns: range) -> Result:
        """``columns`` are the numbers of the instance's columns in the whole batch."""
        n = len(columns)
        try:
            # What a backend makes without a word of where belongs beside the latents, whatever the default device.
            with instance.latents.device:
                result = self.run(instance, tol=self.tol, max_iter=self.max_iter, **self.options)
            self._solves = True
            return result
        except OptionError:
            raise
        except Exception as error:
            if not self._may_be_of_a_column(error):
                raise
            if n == 1:
                self.errors[columns[0]] = f"{type(error).__name__}: {error}"
                self._first = self._first or error
                if not self._solves and len(self.errors) == _HOPELESS:
                    raise self._error(f"for each of the {_HOPELESS} columns that were tried") from self._first
                return self._without_solution(instance)
        # Halves, so that the columns that are not to blame are still solved in batches: every other column, since
        # neighbours are alike, and the first few that are alone shall speak for the batch.
        rows = torch.arange(n, device=instance.latents.device)
        even = self._solved(instance.select(rows[::2]), columns[::2])
        odd = self._solved(instance.select(rows[1::2]), columns[1::2])
        order = torch.cat([rows[::2], rows[1::2]]).argsort()
        return Result(
            Weights.join([compact(even), compact(odd)]).rows(order),
            torch.cat([even.status, odd.status])[order],
            torch.cat([even.iterations, odd.iterations])[order],
            certified=even.certified and odd.certified,
        )

    def _may_be_of_a_column(self, error: Exception) -> bool:
        if isinstance(error, _NO_COLUMNS):
            return False
        return self.info.package is not None or isinstance(error, _NUMERICAL)

    def _error(self, where: str) -> BackendError:
        return BackendError(
            f"backend {self.info.name!r} raised {where}, first {type(self._first).__name__}: {self._first}. Where none "
            "is solved, no latent is to blame: look at the installation (scq backends tries each backend), the options "
            "and the codebook."
        )

    def _without_solution(self, instance: Instance) -> Result:
        n, K = instance.latents.shape[0], instance.codebook.shape[0]
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
