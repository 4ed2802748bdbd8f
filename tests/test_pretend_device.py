"""What a GPU would be asked for, counted without one: kernels, and waits of the host. On the way no device is mixed,
and results are the CPU's.

A pretend device cannot know what CUDA does inside of an operator; that it takes the branches of a device other than the
CPU, and pays for every question of the host, it does.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch.utils.backend_registration

from scq import quantizers, solvers

if not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("this torch takes no device that is written in Python", allow_module_level=True)

# On a machine that is busy with other things its half minute of work takes several.
pytestmark = pytest.mark.timeout(400)

SCRIPT = Path(__file__).parent / "helpers" / "on_pretend_device.py"

MORE = 1.25
"""A share for what asks the host at all: on another processor rounding may take an exact solver another round."""


class Cost(NamedTuple):
    kernels: float
    waits: int


class Step(NamedTuple):
    """A step of training (forward, loss, backward), and one of evaluation: at most so much; without a mask and with."""

    training: Cost
    evaluation: Cost
    masked_training: Cost
    masked_evaluation: Cost


# Each number is what is counted today. It may be made smaller; a 0 stays.
QUANTIZERS = {
    "scq": Step(Cost(2111, 3), Cost(2002, 3), Cost(2167, 3), Cost(2047, 3)),
    "scq_relaxed": Step(Cost(268, 0), Cost(181, 0), Cost(320, 0), Cost(223, 0)),
    "scq_annealed": Step(Cost(2116, 3), Cost(2006, 3), Cost(2172, 3), Cost(2051, 3)),
    "vq": Step(Cost(64, 0), Cost(40, 0), Cost(90, 0), Cost(57, 0)),
    "none": Step(Cost(10, 0), Cost(2, 0), Cost(10, 0), Cost(2, 0)),
    "vq_ema": Step(Cost(110, 0), Cost(34, 0), Cost(128, 0), Cost(45, 0)),
    "rotation": Step(Cost(99, 0), Cost(63, 0), Cost(125, 0), Cost(80, 0)),
    "simvq": Step(Cost(66, 0), Cost(41, 0), Cost(92, 0), Cost(58, 0)),
    "simvq_joint": Step(Cost(68, 0), Cost(41, 0), Cost(94, 0), Cost(58, 0)),
    "simvq_diagonal": Step(Cost(69, 0), Cost(41, 0), Cost(95, 0), Cost(58, 0)),
    "fsq": Step(Cost(68, 0), Cost(44, 0), Cost(76, 0), Cost(49, 0)),
    "gumbel": Step(Cost(101, 0), Cost(32, 0), Cost(128, 0), Cost(43, 0)),
    "smoothed_knn_l2": Step(Cost(120, 0), Cost(73, 0), Cost(152, 0), Cost(97, 0)),
    "smoothed_knn_ce": Step(Cost(109, 0), Cost(66, 0), Cost(139, 0), Cost(90, 0)),
    "smoothed_perplexity": Step(Cost(117, 0), Cost(68, 0), Cost(151, 0), Cost(93, 0)),
}

# Where the default backend is a launched kernel, as on CUDA.
FUSED = {
    "scq": Step(Cost(248, 0), Cost(138, 0), Cost(302, 0), Cost(182, 0)),
    "scq_annealed": Step(Cost(253, 0), Cost(142, 0), Cost(307, 0), Cost(186, 0)),
}

# A step of the training loop, and one that is logged with the KKT residuals and the gap.
TRAINING = {
    "scq": (Cost(1694, 2), Cost(3769, 8)),
    "scq_relaxed": (Cost(471, 0), Cost(2542, 6)),
    "vq": (Cost(268, 0), Cost(288, 1)),
    "scq, fused": (Cost(451, 0), Cost(1283, 4)),
}

WITHOUT_SOLVER = Step(*[Cost(float("inf"), 0)] * 4)
"""Of a quantizer that is not listed yet."""

# Forward and backward of 48 latents of 4 channels and 24 codewords.
SOLVES = {
    "active_set, float32": (Cost(1316, 3), Cost(95, 0)),
    "active_set, bfloat16": (Cost(1322, 3), Cost(98, 0)),
    "active_set, dense anchor": (Cost(1280, 9), Cost(112, 0)),
    "active_set, failed column": (Cost(1330, 2), Cost(95, 0)),
    "interior_point, float32": (Cost(1894, 10), Cost(95, 0)),
    "interior_point, bfloat16": (Cost(1900, 10), Cost(98, 0)),
    "interior_point, dense anchor": (Cost(1280, 9), Cost(112, 0)),
    "interior_point, failed column": (Cost(1908, 9), Cost(95, 0)),
    "relaxed, float32": (Cost(131, 1), Cost(66, 0)),
    "relaxed, bfloat16": (Cost(139, 1), Cost(72, 0)),
    "relaxed, dense anchor": (Cost(128, 1), Cost(65, 0)),
    "relaxed, failed column": (Cost(128, 0), Cost(70, 0)),
    "relaxed, exact projection": (Cost(80, 1), Cost(38, 0)),
}

RESIDUALS = {
    "float32": Cost(65, 0),
    "bfloat16": Cost(65, 0),
    "compact": Cost(68, 0),
    "off the simplex": Cost(65, 0),
}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """In one process, whose imports take longer than most of its cases."""
    result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=390)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def check(case: str, counted: dict[str, Any], limit: tuple[float, int]) -> None:
    kernels, waits = limit
    assert counted["waits"] <= MORE * waits, f"{case} waits {counted['waits']} times, may {waits}: {counted['lines']}"
    assert counted["kernels"] <= (MORE * kernels if waits else kernels), f"{case} launches {counted['kernels']} kernels"


def test_the_device_counts_and_refuses_what_cuda_does(found: dict[str, Any]) -> None:
    mixed = "Expected all tensors to be on the same device, but found pretend:0 and cpu, in aten."
    assert found["itself"] == {
        "add": [1, 0],
        "add a number": [1, 0],
        "add a number of the CPU": [1, 0],
        "add the CPU's": f"{mixed}add",
        "add to the CPU's": f"{mixed}add_",
        "make": [1, 0],
        "view": [0, 0],
        "allocate": [0, 0],
        "item": [2, 1],
        "bool": [2, 1],
        "nonzero": [1, 1],
        "select by a mask": [1, 1],
        "select of the CPU's": f"{mixed}index",
        "select by the CPU's": [1, 1],
        "put by a mask": [2, 1],
        "fill by a mask": [2, 0],
        "mask": [2, 0],
        "where": [2, 0],
        "list": [1, 1],
        "to the CPU": [1, 1],
        "from the CPU": [1, 1],
        "from the CPU, not waiting": [1, 0],
        "number from the CPU": [1, 1],
        "full": [1, 0],
    }


@pytest.mark.parametrize("entry", quantizers.entries(), ids=lambda entry: entry.name)
def test_a_quantizer_in_every_layout_and_precision(entry: quantizers.QuantizerInfo, found: dict[str, Any]) -> None:
    limits = QUANTIZERS.get(entry.name, WITHOUT_SOLVER)
    for case, result in found["quantizers"][entry.name].items():
        assert not result["differs"], "\n".join([case, *result["differs"]])
        masked = case.startswith("masked")
        check(f"{case}, training", result["training"], limits.masked_training if masked else limits.training)
        check(f"{case}, evaluation", result["evaluation"], limits.masked_evaluation if masked else limits.evaluation)


@pytest.mark.parametrize("name", FUSED)
def test_a_quantizer_whose_solve_is_a_launched_kernel(name: str, found: dict[str, Any]) -> None:
    limits = FUSED[name]
    for case, result in found["fused"][name].items():
        assert not result["differs"], "\n".join([case, *result["differs"]])
        masked = case.startswith("masked")
        check(f"{case}, training", result["training"], limits.masked_training if masked else limits.training)
        check(f"{case}, evaluation", result["evaluation"], limits.masked_evaluation if masked else limits.evaluation)


def test_only_the_tensor_path_of_an_exact_solve_waits(found: dict[str, Any]) -> None:
    waiting = {name for name, step in QUANTIZERS.items() if any(cost.waits for cost in step)}
    assert waiting == FUSED.keys() == found["fused"].keys()
    assert not any(cost.waits for step in FUSED.values() for cost in step)
    lines = [
        line
        for name in waiting
        for result in found["quantizers"][name].values()
        for line in result["training"]["lines"]
    ]
    assert all("solvers/polish.py" in line for line in lines)


@pytest.mark.parametrize("name", TRAINING)
def test_a_step_of_the_training_loop_and_an_evaluation(name: str, found: dict[str, Any]) -> None:
    result = found["fused training"] if name.endswith(", fused") else found["training"][name]
    assert not result["differs"], "\n".join(result["differs"])
    for part, limit in zip(("training", "logged"), TRAINING[name], strict=True):
        check(part, result[part], limit)


@pytest.mark.parametrize("name", ["scq", "scq_relaxed", "vq"])
def test_a_scaler_skips_a_step_that_overflows_and_autocast_stays_outside(name: str, found: dict[str, Any]) -> None:
    precision = found["precision"]
    assert not precision[name], "\n".join(precision[name])
    assert precision[f"{name} skipped"] == [True, False]
    assert not precision[f"{name} autocast"], "\n".join(precision[f"{name} autocast"])


def test_the_gap_and_what_the_monitor_records(found: dict[str, Any]) -> None:
    assert not found["looking"]["differs"], "\n".join(found["looking"]["differs"])


BROKEN = "codebook has NaN or infinity in codeword 3 (1 in all), must be finite"


@pytest.mark.parametrize("backend", ["active_set", "interior_point", "relaxed"])
def test_a_codebook_that_is_not_finite_is_an_error_that_names_its_step(backend: str, found: dict[str, Any]) -> None:
    at_once, some_finite, all_failed, next_problem, after_that = found["refused"][backend]
    assert at_once == f"ValueError: {BROKEN}"
    assert all_failed and not some_finite
    assert next_problem == f"ValueError: step 7: {BROKEN}"
    assert after_that == "nothing"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("lam", "lam is -1.0, must be finite and > 0"),
        ("numbers", "anchor has codeword numbers from 5 to 5, must be from 0 to 4"),
        ("simplex", "anchor row 0 leaves the simplex by 0.5 (6 rows do), must be >= 0 and sum to 1"),
    ],
)
def test_values_are_looked_at_when_nobody_has_to_wait(case: str, words: str, found: dict[str, Any]) -> None:
    assert found["refused"][case] == [0, f"ValueError: an earlier problem on pretend:0: {words}"]


def test_a_layer_whose_codebook_is_infinite_is_heard_of(found: dict[str, Any]) -> None:
    some_finite, raised = found["refused"]["layer"]
    assert not some_finite
    assert "codebook has NaN or infinity in codeword 2 (1 in all), must be finite" in raised
    assert found["refused"]["after them"] == "nothing"


def test_a_tiny_lam_is_asked_for_only_where_it_is_suspect(found: dict[str, Any]) -> None:
    """Otherwise a column of several codewords, whose derivative may be unresolved, counts as singular."""
    assert found["tiny"] == {
        "long codewords": [[solvers.Status.SINGULAR, solvers.Status.SOLVED], 0],
        "small lam": [[solvers.Status.SOLVED, solvers.Status.SOLVED], 1],
    }


def test_after_its_start_by_k_means_a_quantizer_waits_no_more(found: dict[str, Any]) -> None:
    assert not found["started"]["differs"], "\n".join(found["started"]["differs"])
    check("training", found["started"]["training"], QUANTIZERS["vq"].training)


@pytest.mark.parametrize("case", SOLVES)
def test_a_solve(case: str, found: dict[str, Any]) -> None:
    result, (forward, backward) = found["solves"][case], SOLVES[case]
    assert not result["differs"], "\n".join(result["differs"])
    check("forward", result["forward"], forward)
    check("backward", result["backward"], backward)


def test_every_backend_of_torch_alone_is_counted(found: dict[str, Any]) -> None:
    assert found["solves"].keys() == SOLVES.keys()
    own = {info.name for info in solvers.backends() if info.package is None}
    assert {case.partition(",")[0] for case in SOLVES} == own


@pytest.mark.parametrize("case", RESIDUALS)
def test_the_certificate(case: str, found: dict[str, Any]) -> None:
    result = found["residuals"][case]
    assert not result["differs"], "\n".join(result["differs"])
    check("certificate", result["certificate"], RESIDUALS[case])
