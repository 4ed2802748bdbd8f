"""Every quantizer of torch operations is one graph, for torch.compile and torch.export alike."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scq.quantizers import entries

GRAPHS = Path(__file__).parents[1] / "helpers" / "graphs.py"
# The solvers of soft convex quantization are compiled on their own.
NAMES = [entry.name for entry in entries() if not entry.convex]


def graphs(*names: str) -> dict[str, dict[str, str]]:
    result = subprocess.run([sys.executable, GRAPHS, *names], capture_output=True, text=True, timeout=100, check=True)
    return json.loads(result.stdout)


def test_a_codebook_that_moves_in_forward_is_still_one_graph():
    assert graphs("vq_ema") == {"vq_ema": {"compile": "", "export": ""}}


@pytest.mark.slow
def test_every_quantizer_is_one_graph():
    assert graphs(*NAMES) == {name: {"compile": "", "export": ""} for name in NAMES}


@pytest.mark.skipif(
    importlib.util.find_spec("vector_quantize_pytorch") is None, reason="vector-quantize-pytorch is not installed"
)
def test_the_widely_used_layer_branches_on_a_buffer():
    """When this fails because it has learned to do without, the remark in docs/quantizers.md goes."""
    (result,) = graphs("peer").values()
    # torch 2.6 calls it dynamic control flow.
    assert all(re.match("Unsupported: (Data-dependent branching|Dynamic control flow)", e) for e in result.values())
