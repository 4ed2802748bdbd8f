"""The worker, in this process: what it measures."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import strange_backends

import scq.validation.comparison.measuring.reference
from scq import solvers
from scq.validation.comparison.measuring import worker
from scq.validation.comparison.measuring.families import ProblemSpec


def work(folder: Path, backend: str, spec: ProblemSpec, **changes: Any) -> dict[str, Any]:
    job, results = folder / "job.json", folder / "results.jsonl"
    entry = {"name": backend, "title": "", "run": f"strange_backends:{backend}", "exact": False}
    content = {"entry": entry, "problem": dataclasses.asdict(spec), "repeats": 2, "seconds": 60.0}
    content |= {"options": {"tol": None}, "tol": None, "curve": False, "again": False} | changes
    job.write_text(json.dumps(content))
    worker.main(str(job), str(results))
    return {name: value for line in results.read_text().splitlines() for name, value in json.loads(line).items()}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-4)])
def test_an_exact_backend_has_small_errors_and_all_its_numbers(tmp_path: Path, dtype: str, tolerance: float) -> None:
    fields = work(tmp_path, "interior_point", ProblemSpec("hull", 40, 6, 20, dtype, 0.1, 0))
    assert fields["outcome"] == "ok"
    assert (fields["columns"], fields["features"], fields["codewords"]) == (40, 6, 20)
    assert fields["statuses"] == {"SOLVED": 40}
    assert fields["repeats"] == len(fields["forwards"]) == len(fields["backwards"]) == 2
    for name in ("forward", "backward"):
        assert 0 < fields[name] < 1
    for name in ("kkt_max", "weights_error_max", "latents_gradient_error", "codebook_gradient_error"):
        assert 0 <= fields[name] < tolerance, name


def test_a_further_round_measures_times_alone(tmp_path: Path) -> None:
    fields = work(tmp_path, "interior_point", ProblemSpec("hull", 40, 6, 20, "float64", 0.1, 0), again=True)
    assert fields["outcome"] == "ok"
    assert min(fields["forwards"] + fields["backwards"]) > 0
    assert not {"kkt_max", "memory", "weights_error_max"} & set(fields)


def test_the_relaxation_has_large_errors(tmp_path: Path) -> None:
    fields = work(tmp_path, "relaxed", ProblemSpec("random", 40, 6, 20, "float64", 0.1, 0))
    assert fields["statuses"] == {"APPROXIMATE": 40}
    assert fields["weights_error_median"] > 0.05
    assert fields["latents_gradient_error"] > 0.05


def test_a_backend_of_the_user_is_registered_from_the_job(tmp_path: Path) -> None:
    try:
        fields = work(tmp_path, strange_backends.anchors.__name__, ProblemSpec("random", 8, 3, 5, "float64", 0.1, 0))
    finally:
        solvers.unregister("anchors")
    assert fields["outcome"] == "ok"
    assert fields["weights_error_max"] > 0.01


def test_without_a_certified_reference_no_error_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scq.validation.comparison.measuring.reference, "CERTIFIED", 1e-30)
    fields = work(tmp_path, "relaxed", ProblemSpec("random", 8, 3, 5, "float64", 0.1, 0))
    assert "errors not measured" in fields["note"]
    assert "weights_error_max" not in fields
    assert fields["forward"] > 0
