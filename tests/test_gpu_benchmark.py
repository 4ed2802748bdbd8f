"""The benchmarks of a GPU at tiny sizes on the CPU: what they measure and write, not how fast anything is."""

import csv
import subprocess
import sys
from pathlib import Path

import common
import gpu
import pytest
import torch
from tiny_runs import few

from scq import data

ROOT = Path(__file__).parents[1]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page that two rounds have written to."""
    for name, value in {
        "DEVICE": "cpu",
        "SIZES": ((64, 4, 16),),
        "BATCHES": (4,),
        "REPEATS": 1,
        "FITTED": 1,
        "WARM": 0,
        "STEPS": 1,
        "PAGE": tmp_path / "gpu.md",
    }.items():
        monkeypatch.setattr(gpu, name, value)
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    monkeypatch.setattr(data, "load", few)
    # It takes a compiler half a minute.
    monkeypatch.setattr(torch, "compile", lambda function: function)
    gpu.PAGE.write_text("<!-- gpu -->\nnever run\n<!-- end -->\n<!-- gpu_training -->\nnever run\n<!-- end -->\n")
    gpu.publish([gpu.measure(), gpu.measure()])
    return gpu.PAGE


@pytest.mark.slow
def test_every_method_is_measured_and_written_with_its_spread(found: Path) -> None:
    text = found.read_text()
    assert "never run" not in text
    assert "Not on a GPU: on the cpu." in text
    with (found.parent / "gpu.csv").open() as file:
        lines = list(csv.DictReader(file))
    methods = {line["method"] for line in lines}
    assert methods == set(gpu.methods())
    assert len(lines) == len(methods) * len(gpu.DTYPES) * 2
    assert {line["latents"] for line in lines} == {"random", "trained"}
    for line in lines:
        for part in ("forward, ms", "forward + backward, ms"):
            low, middle, high = (float(line[part + end]) for end in (", minimum", "", ", maximum"))
            assert 0 < low <= middle <= high
        assert (line["relative KKT"] != "-") == (line["method"] == gpu.EXACT)
        if line["method"] == gpu.EXACT:
            assert float(line["relative KKT"]) < (1e-5 if line["input"] == "float32" else 0.1)
        if line["method"] == gpu.EAGER:
            assert float(line["/ eager relaxation, both"]) == 1.0
    with (found.parent / "gpu_training.csv").open() as file:
        steps = {line["quantizer"]: line for line in csv.DictReader(file)}
    assert steps.keys() == {gpu.VQ, gpu.EXACT, "relaxation of scq"}
    assert float(steps[gpu.VQ]["/ plain VQ"]) == 1.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_in_a_line() -> None:
    result = subprocess.run([sys.executable, ROOT / "benchmarks" / "gpu.py"], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == f"No GPU that torch can use (torch {torch.__version__}): nothing was run.\n"
    assert not result.stdout
