"""Every script of examples/ runs as its users run it, and says what its summary promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import TINY

from scq.training import TrainConfig, train

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
QUICK = {
    "comparing_solvers": ("--columns", "8"),
    "kkt_in_your_loop": ("--steps", "21"),
    "replacing_vq": ("--steps", "5"),
    "validating_relaxation": (),
}
MODULES = {"own_parts"}
"""Not scripts: tests/scq/test_own_parts.py has them."""


def _said(name: str, *arguments: str) -> list[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, EXAMPLES / f"{name}.py", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_every_example_is_run_by_a_test_and_named_by_the_readme() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == QUICK.keys() | MODULES
    readme = (ROOT / "README.md").read_text()
    assert all(f"examples/{path.name}" in readme for path in EXAMPLES.glob("*.py"))


@pytest.mark.slow
@pytest.mark.timeout(310)
def test_solvers_agree_where_they_are_exact() -> None:
    lines = _said("comparing_solvers", *QUICK["comparing_solvers"])
    residuals = {line.split()[0]: float(found[1]) for line in lines if (found := re.search(r"residual (\S+),", line))}
    assert residuals["active_set"] <= 1e-9 and residuals["interior_point"] <= 1e-9 < residuals["relaxed"]


@pytest.mark.slow
@pytest.mark.timeout(310)
def test_a_loop_of_ones_own_logs_kkt_residuals() -> None:
    *steps, last = _said("kkt_in_your_loop", *QUICK["kkt_in_your_loop"])
    assert [line.partition(":")[0] for line in steps] == ["step   0", "step  20"]
    assert float(last.rpartition(" ")[2]) <= 1e-5


@pytest.mark.slow
@pytest.mark.timeout(310)
def test_quantizers_replace_one_another() -> None:
    lines = _said("replacing_vq", *QUICK["replacing_vq"])
    assert [line.split()[0] for line in lines] == ["vq", "vq_ema", "scq"]
    errors = [[float(value) for value in re.findall(r"\d\.\d{5}", line)] for line in lines]
    assert errors[0][0] == errors[0][1] and errors[2][0] != errors[2][1]  # of a hard quantizer, and a soft one


@pytest.mark.slow
@pytest.mark.timeout(310)
def test_the_relaxation_is_validated_on_latents_made_up_and_of_a_run(tmp_path: Path) -> None:
    run = train(TrainConfig(out=tmp_path, device="cpu", trackers=(), **TINY), progress=False).folder
    for arguments in ((), ("--run", str(run))):
        *steps, last = _said("validating_relaxation", *arguments)
        assert [int(line.split()[0]) for line in steps] == [1, 5, 20, 100]
        for line in steps:
            distance, bound = (float(value) for value in re.findall(r"(?:off by|at most) (\d\.\d+)", line))
            assert 0 < distance <= bound
        assert float(re.search(r"KKT residual (\S+),", last)[1]) <= 1e-5  # pyrefly: ignore
