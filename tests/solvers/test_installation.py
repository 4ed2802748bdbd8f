"""A fault of the installation is raised, or goes another way to the same; it never becomes plain VQ in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import scq
from scq import solvers
from scq.solvers.instance import Instance, Result

SOLVED = """
import logging, torch, scq
logging.basicConfig()
torch.manual_seed(0)
layer = scq.SoftConvexQuantizer(16, 4).eval()
latents = torch.randn(32, 4, requires_grad=True)
output = layer(latents)
assert float(output.info["converged_share"]) == 1 and int(output.info["failed_columns"]) == 0
output.quantized.square().sum().backward()
assert latents.grad.abs().sum() > 0
"""


def run(**variables: str) -> str:
    """What a process says whose environment has these variables and no place for a cache but the one they name."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", SOLVED], env=kept | variables, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kernels_that_cannot_be_kept_are_compiled_and_that_is_said_once() -> None:
    assert run(HOME="/dev/null").count("cannot be kept on disk") == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_damaged_kernel_is_compiled_anew_with_a_warning(tmp_path: Path) -> None:
    assert run(NUMBA_CACHE_DIR=str(tmp_path)) == ""
    kernels = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert kernels
    for kernel in kernels:
        kernel.write_bytes(kernel.read_bytes()[:-10] + b"0123456789")
    assert run(NUMBA_CACHE_DIR=str(tmp_path)).count("is damaged") >= 1
    assert run(NUMBA_CACHE_DIR=str(tmp_path)) == ""


def test_without_a_compiler_the_tensor_path_solves_and_that_is_said_once() -> None:
    assert run(NUMBA_DISABLE_JIT="1").count("exact solves on the CPU go by tensor operations") == 1


@pytest.mark.slow
def test_a_numba_that_cannot_be_imported_is_named_and_the_tensor_path_solves(tmp_path: Path) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba/__init__.py").write_text("raise ImportError('Numba needs NumPy 2.4 or less. Got NumPy 2.5.')")
    path = os.environ.get("PYTHONPATH", "")
    assert "Numba needs NumPy 2.4 or less" in run(PYTHONPATH=f"{tmp_path}{os.pathsep}{path}")


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ImportError("no such library"), ImportError), (TypeError("a slip of ours"), TypeError)],
)
def test_what_no_latent_can_bring_about_is_raised_as_it_is(error: Exception, raised: type[Exception]) -> None:
    with broken(error), pytest.raises(raised, match=str(error)):
        scq.SoftConvexQuantizer(8, 4, backend="broken")(torch.randn(5, 4))


def test_what_a_backend_raises_for_every_latent_is_raised_whatever_the_layer_does_with_failures() -> None:
    error = RuntimeError("the library is another one")
    with broken(error), pytest.raises(solvers.BackendError, match="each of the 5 columns.*another one"):
        scq.SoftConvexQuantizer(8, 4, backend="broken", on_failure="fallback")(torch.randn(5, 4))


class broken:  # noqa: N801  used as a context
    """A backend that raises, while the block lasts."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __enter__(self) -> None:
        def solve(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
            raise self.error

        accuracy = {"float32": 1e-5, "float64": 1e-9}
        solvers.register(solvers.BackendInfo(name="broken", title="raises", run=solve, accuracy=accuracy, citation="-"))

    def __exit__(self, *_: object) -> None:
        solvers.unregister("broken")
