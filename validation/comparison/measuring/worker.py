"""Measures one backend on one problem, in a process of its own: ``python -m`` this module, JOB and RESULTS.

What is known is appended to RESULTS at once, a JSON object of :class:`scq.validation.comparison.rows.Row` fields a
line, so that the process can be killed at any time.
"""

import dataclasses
import json
import statistics
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scq import solvers
from scq.solvers import registry
from scq.validation.common.measuring.memory import PeakMemory
from scq.validation.common.measuring.timing import in_turns
from scq.validation.comparison.measuring.convergence import COLUMNS, curve
from scq.validation.comparison.measuring.families import ProblemSpec
from scq.validation.comparison.measuring.presets import ROUNDED
from scq.validation.comparison.measuring.reference import Reference, UncertifiedError


def main(job_path: str, results_path: str) -> None:
    """Does a job and reports on the way."""
    job = json.loads(Path(job_path).read_text())
    with Path(results_path).open("a", buffering=1) as results:

        def say(**fields: Any) -> None:
            results.write(json.dumps(fields) + "\n")

        entry = job["entry"]
        if entry["name"] not in {info.name for info in solvers.backends()}:
            solvers.register(registry.BackendInfo(**entry))
        _measure(registry.get(entry["name"]), ProblemSpec(**job["problem"]), job, say)


def _measure(info: registry.BackendInfo, spec: ProblemSpec, job: Mapping[str, Any], say: Any) -> None:
    repeats, seconds, options = job["repeats"], job["seconds"], job["options"]
    say(doing="making the problem", gradient=info.gradient[0])
    problem = spec.make()
    N, F, K = problem.shape
    say(columns=N, features=F, codewords=K)
    generator = torch.Generator().manual_seed(spec.seed + 1)
    cotangent = torch.randn(N, F, dtype=torch.float64, generator=generator).to(problem.latents.dtype)
    run = _Run(info.name, problem, options)

    say(doing="the first solve, of two columns")
    # Imports and what a peer builds once for a shape are neither time nor memory of a solve.
    _Run(info.name, dataclasses.replace(spec, columns=min(2, N)).make(), options).both(cotangent[:2])

    say(doing="the first solve of all columns")
    with PeakMemory() as memory:
        solution, gradients = run.both(cotangent)
    if job["again"]:
        _time(run, cotangent, repeats, seconds, say)
        say(outcome="ok")
        return
    residuals = solution.residuals
    say(
        memory=memory.grown,
        kkt_max=float(residuals.relative.max()),
        kkt_median=float(residuals.relative.median()),
        certificate=float(residuals.weights_bound.max()),
        iterations=float(solution.iterations.double().mean()),
        statuses={s.name: n for s in solvers.Status if (n := int((solution.status == s).sum()))},
    )
    if job["tol"] is not None:
        say(within=int((residuals.relative <= max(job["tol"], ROUNDED[spec.dtype])).sum()))

    _time(run, cotangent, repeats, seconds, say)

    if job["curve"]:
        say(doing="the convergence by iteration")
        try:
            say(curve=curve(info, dataclasses.replace(spec, columns=min(COLUMNS, N)).make(), options, seconds))
        except Exception as error:  # noqa: BLE001  a peer may raise anything, and the rest of the row is good
            say(note=f"convergence by iteration not measured: {type(error).__name__}: {error}")

    say(doing="the comparison with the reference")
    try:
        reference = Reference(problem)
    except UncertifiedError as error:
        say(note=f"errors not measured: {error}", outcome="ok")
        return
    good = ~solution.failed
    counted = good & reference.two_sided
    say(one_sided=int((~reference.two_sided).sum()))
    if not bool(counted.any()):
        say(note="errors not measured: no column has a solution and a gradient", outcome="ok")
        return
    if not bool(counted.all()):
        cotangent = torch.where(counted[:, None], cotangent, 0.0)
        solution, gradients = run.both(cotangent)
    errors = reference.errors(solution.weights.detach(), gradients, cotangent, good)
    say(**dataclasses.asdict(errors), outcome="ok")


def _time(run: "_Run", cotangent: Tensor, repeats: int, seconds: float, say: Any) -> None:
    say(doing="the timing")
    works = {"forward": run.forward, "backward": partial(run.backward, cotangent)}
    # Warm already: all columns were solved before.
    times = in_turns(works, repeats, cotangent.device, warm=0, limit=seconds)
    forwards, backwards = ([value / len(cotangent) for value in times[name]] for name in works)
    medians = {"forward": statistics.median(forwards), "backward": statistics.median(backwards)}
    say(**medians, forwards=forwards, backwards=backwards, repeats=len(forwards))


class _Run:
    """Forward and backward of one backend on one problem, apart."""

    def __init__(self, backend: str, problem: solvers.Problem, options: Mapping[str, Any]) -> None:
        self._backend, self._options = backend, options
        self._latents = problem.latents.requires_grad_()
        self._codebook = problem.codebook.requires_grad_()
        self._lam = float(problem.lam)

    def forward(self) -> solvers.Solution:
        problem = solvers.Problem(self._latents, self._codebook, self._lam)
        self._solution = solvers.solve(problem, self._backend, throw=False, **self._options)
        self._reconstruction = self._solution.reconstruction
        return self._solution

    def backward(self, cotangent: Tensor) -> tuple[Tensor, Tensor]:
        return torch.autograd.grad(self._reconstruction, (self._latents, self._codebook), cotangent)

    def both(self, cotangent: Tensor) -> tuple[solvers.Solution, tuple[Tensor, Tensor]]:
        solution = self.forward()
        return solution, self.backward(cotangent)


if __name__ == "__main__":
    main(*sys.argv[1:])
