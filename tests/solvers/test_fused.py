"""The fused kernels: their results through Triton's interpreter, what they need of GPUs that are not here, and what
only a GPU can show."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from scq import quantizer, solvers
from scq.solvers import Problem, fused
from scq.solvers.synthetic import hull

HELPERS = Path(__file__).parents[1] / "helpers"
MISSING = importlib.util.find_spec("triton") is None
needs_triton = pytest.mark.skipif(MISSING, reason="triton is not installed")
needs_gpu = pytest.mark.skipif(MISSING or not torch.cuda.is_available(), reason="no GPU here")

FAST = [
    "weights_and_derivatives_in_float32",
    "weights_and_derivatives_in_float64",
    "one_linear_system_is_that_of_the_tensor_path",
    "a_support_that_outgrows_all_stages_is_found_by_tensors",
    "while_a_graph_is_captured_such_a_column_is_a_failure",
    "steps_that_run_out_leave_the_anchor",
    "launches_are_few_and_no_array_is_as_large_as_the_weights",
    "a_latent_on_a_codeword_is_that_codeword",
    "duplicated_codewords_share_their_weight",
    "implicit_gradient_counts_weakly_active_codewords_as_off",
    "no_columns",
]

SLOW = [
    "weights_and_derivatives_at_the_size_of_a_small_model",
    "a_support_that_outgrows_a_stage_goes_on_in_the_next",
    "an_inverse_in_memory_gives_the_same",
    "a_small_lam_is_certified",
    "nothing_depends_on_who_takes_which_column",
    "a_graph_has_the_same_values_and_derivatives",
    "every_kind_of_codebook",
    "one_codeword_has_all_the_weight",
    "every_support_of_few_codewords_was_tried",
    "float32_reaches_its_promise",
    "implicit_gradient_is_that_of_the_oracle",
    "a_bad_column_spoils_no_other",
]
"""The other checks of the conformance suite, and every kind of codebook with every kind of latents, are nightly."""


def run(script: str, *arguments: str, timeout: int) -> list[dict]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HELPERS), str(HELPERS.parents[1])])}
    result = subprocess.run(
        [sys.executable, HELPERS / script, *arguments], capture_output=True, text=True, timeout=timeout, env=environment
    )
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@cache
def interpreted(names: tuple[str, ...], timeout: int) -> dict[str, str | None]:
    """What each check raised, in one process, whose imports take longer than most of them."""
    return {line["check"]: line["raised"] for line in run("interpreted.py", *names, timeout=timeout) if "check" in line}


@needs_triton
@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", FAST)
def test_interpreted(check: str) -> None:
    raised = interpreted(tuple(FAST), 290)[check]
    assert raised is None, raised


@needs_triton
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("check", SLOW)
def test_interpreted_at_length(check: str) -> None:
    raised = interpreted(tuple(SLOW), 590)[check]
    assert raised is None, raised


@needs_triton
@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_conformance_suite_interpreted() -> None:
    from conformance import CHECKS

    for module in ("checks_solutions", "checks_gradients", "checks_inputs"):
        importlib.import_module(module)
    info = solvers.registry.get("active_set")
    names = [name for name, check in CHECKS.items() if check.applies(info)]
    names.append("every_kind_of_codebook_with_every_kind_of_latents")
    failed = {name: raised for name, raised in interpreted(tuple(names), 3500).items() if raised}
    assert not failed, "\n".join(failed.values())


TURING_SHARED = 65_536
"""Bytes of shared memory that a program may have on the oldest architecture, 75."""


def check_needs(architecture: int, *kernels: str) -> None:
    for found in run("ahead_of_time.py", str(architecture), *kernels, timeout=1700):
        assert found["stack"] == 0, f"registers are spilled: {found}"
        assert found["registers"] * found["threads"] <= 65_536, found
        assert found["shared"] <= TURING_SHARED, found


@needs_triton
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kernels_compile_for_a_gpu_without_one() -> None:
    """The smallest, which most columns need alone, and the one with the most registers."""
    check_needs(90, "solve, 32 places, float32", "derivative, 32 places, float32", "solve, 128 places, float32")


@needs_triton
@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("architecture", [75, 80, 90])
def test_all_kernels_compile_for_every_architecture(architecture: int) -> None:
    check_needs(architecture)


def test_the_cpu_keeps_its_own_kernels() -> None:
    assert not fused.usable(torch.device("cpu"))
    assert not fused.usable(torch.device("mps"))


@pytest.mark.skipif(not MISSING, reason="triton is installed")
def test_without_triton_a_gpu_has_the_tensor_path(caplog: pytest.LogCaptureFixture) -> None:
    assert not fused.usable(torch.device("cuda"))
    assert "go by tensor operations" in caplog.text


# ---- on a GPU ----

SIZES = [(1000, 3, 20), (2000, 16, 128), (300, 64, 512), (200, 128, 300), (100, 256, 1024)]


def both(N: int, F: int, K: int, dtype: torch.dtype, lam: float) -> list[list[torch.Tensor]]:
    """Weights and derivatives on the GPU in that type, and on the CPU in float64."""
    latents, codebook = hull(N, F, K, dtype)
    upstream = torch.randn(N, F, dtype=torch.float64)
    results = []
    for device, kind in (("cuda", dtype), ("cpu", torch.float64)):
        leaves = [x.to(device, kind).requires_grad_() for x in (latents, codebook)]
        weight = torch.tensor(lam, dtype=torch.float64, device=device, requires_grad=True)
        solution = solvers.solve(Problem(*leaves, weight))
        assert solution.residuals.relative.amax() <= (1e-5 if kind == torch.float32 else 1e-9)
        loss = (solution.reconstruction * upstream.to(device)).sum()
        results.append([solution.weights.detach(), *torch.autograd.grad(loss, [*leaves, weight])])
    return [[x.cpu().double() for x in result] for result in results]


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("N", "F", "K"), SIZES)
@pytest.mark.parametrize("lam", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gpu_agrees_with_the_cpu(N: int, F: int, K: int, lam: float, dtype: torch.dtype) -> None:
    share = 1e-3 if dtype == torch.float32 else 1e-7
    for here, there in zip(*both(N, F, K, dtype, lam), strict=True):
        torch.testing.assert_close(here, there, atol=share * float(there.abs().amax()), rtol=0)


@pytest.mark.gpu
@needs_gpu
def test_two_solves_are_equal_bit_for_bit() -> None:
    first, second = (both(2000, 16, 128, torch.float32, 0.1)[0] for _ in range(2))
    # The upstream gradients are drawn anew: weights alone.
    assert torch.equal(first[0], second[0])
    latents, codebook = (x.cuda().requires_grad_() for x in hull(2000, 16, 128, torch.float32))
    found = []
    for _ in range(2):
        rows = solvers.solve(Problem(latents, codebook, 0.1)).reconstruction
        found.append(torch.autograd.grad(rows.square().sum(), [latents, codebook]))
    assert all(torch.equal(x, y) for x, y in zip(*found, strict=True))


@pytest.mark.gpu
@needs_gpu
def test_a_schedule_of_lam_compiles_nothing() -> None:
    from scq.solvers.fused.forward import solve_columns

    latents, codebook = (x.cuda() for x in hull(500, 16, 128, torch.float32))
    solvers.solve(Problem(latents, codebook, 0.1))
    kept = {device: len(cache[0]) for device, cache in solve_columns.device_caches.items()}
    for lam in (0.2, 1.0, 16.0):
        solvers.solve(Problem(latents, codebook, torch.tensor(lam, device="cuda")))
    assert {device: len(cache[0]) for device, cache in solve_columns.device_caches.items()} == kept


def step(layer: torch.nn.Module, latents: torch.Tensor) -> torch.Tensor:
    layer.zero_grad(set_to_none=False)
    output = layer(latents)
    (output.quantized.square().sum() + output.loss).backward()
    return output.quantized


def captured(make: Callable[[], torch.nn.Module]) -> None:
    """A training step that is replayed with other latents gives what it gives when it is run."""
    layer, latents, other = make(), torch.randn(512, 16, device="cuda"), torch.randn(512, 16, device="cuda")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(layer, latents)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        replayed = step(layer, latents)
    latents.copy_(other)
    graph.replay()
    found = [replayed.clone(), *[x.grad.clone() for x in layer.parameters()]]
    expected = [step(layer, other), *[x.grad for x in layer.parameters()]]
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y)


@pytest.mark.gpu
@needs_gpu
def test_a_training_step_is_captured_in_a_cuda_graph() -> None:
    captured(lambda: quantizer("scq", 64, 16).cuda())
