"""Shared test set-up: shapes checked by beartype, seeds fixed, every device that is here."""

import os
import sys

# Before torch starts its threads: two busy processes otherwise spin each other to a standstill.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a process for each core already.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import jaxtyping
import pytest
import torch
from matplotlib.figure import Figure

# Before the checks: Numba compiles functions as they are written, not wrapped.
import scq.solvers.compiled.backward
import scq.solvers.compiled.columns
import scq.solvers.compiled.lockstep
import scq.solvers.compiled.nearest

# So does Triton.
if torch.cuda.is_available():
    import scq.solvers.fused.launch  # noqa: F401

# Every annotated function and dataclass of ours is checked at run time, in tests only.
_HOOK = jaxtyping.install_import_hook(["scq"], "beartype.beartype")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_accelerator_is_left() -> Iterator[None]:
    """One that a trainer of somebody else opened would be the next test's, with its precision."""
    yield
    state = sys.modules.get("accelerate.state")
    if state is not None and state.is_initialized():
        state.AcceleratorState._reset_state(reset_partial_state=True)
        state.GradientState._reset_state()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made and not rendered, which takes most of the time of a page: for tests of the words around them."""

    def savefig(drawing: Figure, file: Path | StringIO, **_: object) -> None:
        file.write_bytes(b"") if isinstance(file, Path) else file.write('<svg viewBox="0 0 1 1"></svg>')

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.fixture
def as_a_user() -> Iterator[None]:
    """Without the run-time type checks, so that our own error messages are what a wrong argument meets."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


GPU = (pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=GPU)])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)
