"""The fused kernels through Triton's interpreter, with tensors of the CPU, in place of the compiled ones.

Triton reads whether to interpret when it is imported: hence a process of its own. Run as a script, with names of
checks: those of CHECKS (tests/helpers/conformance.py), or of OWN below. Prints a line of JSON for each, with what it
raised.
"""

import os

os.environ["TRITON_INTERPRET"] = "1"

import importlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from itertools import product
from types import FunctionType
from unittest import mock

import numpy as np
import torch
from conformance import CHECKS
from cuda_rules import launches
from drawn import CODEBOOKS, LATENTS, no_answer_without_a_certificate
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from triton.runtime import interpreter

from scq import solvers
from scq.solvers import Problem, fused
from scq.solvers.attempt import normalise
from scq.solvers.fused import launch, stages
from scq.solvers.implicit import pull_back_by_tensors
from scq.solvers.instance import Instance
from scq.solvers.methods import active_set
from scq.solvers.rows import solve_rows, solve_rows_in_graph
from scq.solvers.settings import SolverSettings
from scq.solvers.synthetic import hull

OWN: dict[str, Callable[[], None]] = {}
CPU = torch.device("cpu")


def own(check: Callable[[], None]) -> Callable[[], None]:
    OWN[check.__name__] = check
    return check


def instance(problem: Problem) -> Instance:
    return normalise(problem, problem.latents.dtype, centred=True).detach()


def compiled(problem: Problem) -> solvers.Solution:
    """Solved by the CPU's own kernels."""
    with mock.patch.object(fused, "usable", return_value=False):
        return solvers.solve(problem)


def derivatives(solution: solvers.Solution) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    weights, rows = solution.weights, solution.reconstruction
    loss = (weights * torch.randn(weights.shape, generator=random, dtype=torch.float64)).sum()
    loss = loss + (rows * torch.randn(rows.shape, generator=random, dtype=torch.float64)).sum()
    problem = solution.problem
    return torch.autograd.grad(loss, [problem.latents, problem.codebook, problem.lam])


def leaves(N: int, F: int, K: int, dtype: torch.dtype, lam: float = 0.1) -> Problem:
    latents, codebook = hull(N, F, K, dtype)
    weight = torch.tensor(lam, dtype=torch.float64)
    return Problem(latents.requires_grad_(), codebook.requires_grad_(), weight.requires_grad_())


def agrees(N: int, F: int, K: int, dtype: torch.dtype, lam: float = 0.1) -> None:
    """Certified over all K, with the weights and derivatives of the CPU's kernels in float64."""
    narrow = leaves(N, F, K, dtype, lam)
    wide = Problem(*(x.detach().double().requires_grad_() for x in (narrow.latents, narrow.codebook, narrow.lam)))
    found, expected = solvers.solve(narrow), compiled(wide)
    assert found.compact.index is not None and found.compact.index.shape[1] == stages.capacity(K, F)
    assert found.residuals.relative.amax() <= (1e-5 if dtype == torch.float32 else 1e-9)
    share = 1e-5 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(found.weights.double(), expected.weights, atol=share, rtol=0)
    for here, there in zip(derivatives(found), derivatives(expected), strict=True):
        torch.testing.assert_close(here.double(), there, atol=10 * share * float(there.abs().amax()), rtol=0)


@own
def weights_and_derivatives_in_float32() -> None:
    agrees(2, 5, 30, torch.float32)


@own
def weights_and_derivatives_in_float64() -> None:
    agrees(1, 3, 20, torch.float64)


@own
def weights_and_derivatives_at_the_size_of_a_small_model() -> None:
    agrees(1, 16, 128, torch.float32)


@own
def a_support_that_outgrows_a_stage_goes_on_in_the_next() -> None:
    problem = leaves(1, 40, 400, torch.float32)
    assert (compiled(problem).compact.values > 0).sum() > 32
    agrees(1, 40, 400, torch.float32)


@own
def an_inverse_in_memory_gives_the_same() -> None:
    with mock.patch.object(stages, "IN_REGISTERS", (stages.Stage(32, True, False, 8, 2),)):
        agrees(1, 5, 30, torch.float32)


@own
def a_small_lam_is_certified() -> None:
    """At 1e-6 the matrix of a support whose codewords are affinely dependent is singular in float32."""
    problem = leaves(2, 3, 30, torch.float32, 1e-6)
    assert solvers.solve(problem).residuals.relative.amax() <= 1e-5


@own
def one_linear_system_is_that_of_the_tensor_path() -> None:
    """With places that are not active, a column that failed, either part of the loss alone, and a tiny lam."""
    for lam, parts in ((0.1, (True, False)), (0.1, (False, True)), (1e-6, (True, True))):
        problem = leaves(4, 4, 20, torch.float32, lam)
        weights, one = compiled(problem).compact.detach(), instance(problem)
        active = weights.values > 0.05
        active[2] = False
        given = torch.randn_like(weights.values), torch.randn_like(one.latents)
        arguments = one.latents, one.codebook, one.lam, one.anchor, weights.index, weights.values, active
        arguments = *arguments, *[x if part else None for x, part in zip(given, parts, strict=True)]
        wide = [x.double() if x is not None and x.is_floating_point() else x for x in arguments]
        derivatives = launch.pull_back(*arguments)
        assert not derivatives[0][2].any()
        for found, wanted in zip(derivatives, pull_back_by_tensors(*wide)[:3], strict=True):
            torch.testing.assert_close(found.double(), wanted, atol=1e-6 * float(wanted.abs().amax()), rtol=0)


@own
def nothing_depends_on_who_takes_which_column() -> None:
    problem = leaves(4, 4, 20, torch.float32)
    found = []
    for programs in (1, 3):
        with mock.patch.object(stages.Stage, "programs", return_value=programs):
            solution = solvers.solve(problem)
            found.append([solution.compact.values, solution.compact.index, *derivatives(solution)])
    for one, three in zip(*found, strict=True):
        assert torch.equal(one, three)


def copies() -> Problem:
    """The solution of the first column spreads over 12 copies; the second is a codeword."""
    codebook = torch.cat([torch.randn(6, 4), torch.tensor([5.0, 0.0, 0.0, 0.0]).expand(12, 4)])
    latents = torch.stack([torch.tensor([4.0, 0.0, 0.0, 0.0]), codebook[1]])
    return Problem(latents.requires_grad_(), codebook, 0.1, torch.tensor([0, 1]))


@own
def a_support_that_outgrows_all_stages_is_found_by_tensors() -> None:
    problem = copies()
    with mock.patch.object(launch, "capacity", return_value=8):
        solution = solvers.solve(problem)
    assert solution.residuals.relative.amax() <= 1e-5
    weights = solution.weights[0, 6:]
    assert (weights > 0).all()
    torch.testing.assert_close(weights, weights[:1].expand_as(weights))
    (derivative,) = torch.autograd.grad(solution.reconstruction.square().sum(), problem.latents)
    (expected,) = torch.autograd.grad(compiled(problem).reconstruction.square().sum(), problem.latents)
    torch.testing.assert_close(derivative, expected, rtol=1e-5, atol=1e-5)


@own
def while_a_graph_is_captured_such_a_column_is_a_failure() -> None:
    with (
        mock.patch.object(launch, "capacity", return_value=8),
        mock.patch.object(active_set, "_captured", return_value=True),
    ):
        solution = solvers.solve(copies(), throw=False)
    assert solution.status.tolist() == [solvers.Status.MAX_ITER, solvers.Status.SOLVED]
    assert solution.weights[0].nonzero().flatten().tolist() == [0]


@own
def steps_that_run_out_leave_the_anchor() -> None:
    solution = solvers.solve(leaves(3, 5, 40, torch.float32), max_iter=1, throw=False)
    assert (solution.iterations <= 1).all()
    assert (solution.status == solvers.Status.MAX_ITER).any()


@own
def a_graph_has_the_same_values_and_derivatives() -> None:
    problem = leaves(3, 4, 12, torch.float64)
    inputs, settings = (
        (problem.latents, problem.codebook, problem.lam),
        SolverSettings("active_set", None, None, None, {}, "fallback"),
    )
    results = []
    for solve in (solve_rows, solve_rows_in_graph):
        solved = solve(*inputs, None, settings)
        results.append((solved.weights.dense(), *torch.autograd.grad(solved.reconstruction.square().sum(), inputs)))
    for here, there in zip(*results, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-6, atol=1e-9)


class Launches(TorchDispatchMode):
    """Counts kernels, and the entries of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.count = self.largest = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        self.count += launches(operator, str(operator).rsplit(".", 1)[0])
        for x in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(x, Tensor) and not operator.is_view:
                self.largest = max(self.largest, x.numel())
        return result


class Kernel:
    """In place of a kernel: a launch that does nothing."""

    def __init__(self, counts: Launches) -> None:
        self.counts = counts

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        def run(*args: object, **kwargs: object) -> None:
            self.counts.count += 1

        return run


def counted(F: int, K: int, N: int, dtype: torch.dtype) -> list[Launches]:
    """Forward and backward."""
    latents, codebook = torch.zeros(N, F, dtype=dtype), torch.zeros(K, F, dtype=dtype)
    number = torch.ones((), dtype=dtype)
    one = Instance(latents, codebook, number, torch.zeros(N, dtype=torch.long), number, number)
    counts = [Launches(), Launches()]
    with counts[0], mock.patch.object(launch, "solve_columns", Kernel(counts[0])):
        result = active_set.solve(one, tol=1e-5, max_iter=None)
    weights = result.weights
    with (
        counts[1],
        mock.patch.object(launch, "pull_back_columns", Kernel(counts[1])),
        mock.patch.object(launch, "sum_over_columns", Kernel(counts[1])),
    ):
        launch.pull_back(
            *(latents, codebook, number, one.anchor, weights.index, weights.values, weights.values > 0),
            *(weights.values, latents),
        )
    return counts


@own
def launches_are_few_and_no_array_is_as_large_as_the_weights() -> None:
    found = {}
    for (F, K), N, dtype in product(((16, 128), (256, 65_536)), (256, 2048), (torch.float32, torch.float64)):
        forward, backward = counted(F, K, N, dtype)
        found[F, K, N, dtype] = forward.count, backward.count
        assert forward.count <= 20 and backward.count <= 20, found
        # A column's places, the codebook, and what the programs have each.
        allowed = max(N * (F + 64), 2**28 // dtype.itemsize)
        assert max(forward.largest, backward.largest) <= allowed, (F, K, N, forward.largest, backward.largest)
    print(json.dumps({"launches": [[*map(str, sizes), *counts] for sizes, counts in found.items()]}))


def drawn(pairs: list[tuple[str, str]]) -> None:
    random = np.random.default_rng(0)
    for number, (codebook, latents) in enumerate(pairs):
        F, K = int(random.integers(1, 9)), int(random.integers(1, 25))
        no_answer_without_a_certificate(
            *(F, K, float(random.uniform(-3, 2)), float(random.uniform(-2, 2))),
            *(codebook, latents, (torch.float32, torch.float32, torch.float64)[number % 3], number),
        )


@own
def every_kind_of_codebook() -> None:
    drawn([(codebook, list(LATENTS)[i % len(LATENTS)]) for i, codebook in enumerate(CODEBOOKS)])


@own
def every_kind_of_codebook_with_every_kind_of_latents() -> None:
    drawn(list(product(CODEBOOKS, LATENTS)))


def _patched_once() -> None:
    """The interpreter exchanges Triton's language by its own at every call, of a sum too, which is most of its time:
    here once for each module, for good."""
    patch, seen = interpreter._patch_lang, set()

    def once(function: FunctionType) -> interpreter._LangPatchScope:
        if id(function.__globals__) not in seen:
            seen.add(id(function.__globals__))
            patch(function)
        return interpreter._LangPatchScope()

    interpreter._patch_lang = once


def main() -> None:
    _patched_once()
    fused.usable = lambda device: True
    for module in ("checks_solutions", "checks_gradients", "checks_inputs"):
        importlib.import_module(module)
    for name in sys.argv[1:]:
        torch.manual_seed(0)
        raised, start = None, time.process_time()
        try:
            if name in OWN:
                OWN[name]()
            else:
                CHECKS[name].run(solvers.registry.get("active_set"), CPU)
        except Exception:  # noqa: BLE001  the test says what it was
            raised = traceback.format_exc()
        print(
            json.dumps({"check": name, "raised": raised, "seconds": round(time.process_time() - start, 1)}), flush=True
        )


if __name__ == "__main__":
    main()
