"""Every quantizer is one graph, for torch.compile and torch.export alike."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scq import solvers
from scq.quantizers import entries

GRAPHS = Path(__file__).parents[1] / "helpers" / "graphs.py"
NAMES = [entry.name for entry in entries() if entry.parts]
GOOD = {"compile": "", "export": ""}


def graphs(*names: str, compiler: str = "aot_eager") -> dict[str, dict[str, str]]:
    command = [sys.executable, GRAPHS, compiler, *names]
    result = subprocess.run(command, capture_output=True, text=True, timeout=580, check=True)
    return json.loads(result.stdout)


PEER = importlib.util.find_spec("vector_quantize_pytorch") is not None


@pytest.fixture(scope="module")
def few() -> dict[str, dict[str, str]]:
    """In one process, whose imports take longer than its graphs."""
    return graphs("vq_ema", "scq_annealed", "*vq", *["peer"] * PEER)


@pytest.mark.parametrize("name", ["vq_ema", "scq_annealed", "*vq"])
def test_what_moves_in_forward_and_what_solves_is_still_one_graph(few, name):
    assert few[name] == GOOD


@pytest.mark.skipif(not PEER, reason="vector-quantize-pytorch is not installed")
def test_the_widely_used_layer_branches_on_a_buffer(few):
    """When this fails because it has learned to do without, the remark in docs/quantizers.md goes."""
    # torch 2.6 calls it dynamic control flow.
    said = few["peer"].values()
    assert all(re.match("Unsupported: (Data-dependent branching|Dynamic control flow)", error) for error in said)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_quantizer_is_one_graph():
    names = [*NAMES, "*scq", "*vq_ema", "*rotation"]
    assert graphs(*names) == dict.fromkeys(names, GOOD)


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", [info.name for info in solvers.backends() if info.gradient[0] == "implicit"])
def test_every_backend_with_the_implicit_derivative_is_one_graph(backend):
    if not solvers.registry.get(backend).available:
        pytest.skip(f"{backend} is not installed")
    name = f"scq:backend={backend}"
    assert graphs(name) == {name: GOOD}


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_many_distances_are_still_one_graph():
    """Outside of graphs, so many are computed by a kernel that no compiler sees through."""
    name = f"vq:K={2**16}"
    assert graphs(name) == {name: GOOD}


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
@pytest.mark.parametrize("name", ["scq", "scq_relaxed"])
def test_torchs_own_compiler_takes_exact_and_relaxed(name):
    assert graphs(name, compiler="inductor") == {name: GOOD}
