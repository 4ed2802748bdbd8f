"""Studies, tiny but real: arms are tuned, compared over seeds, and started badly."""

import csv
import dataclasses
import io
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from small_studies import TRAIN, plan, plan_file, small
from small_text import words
from threads import torch_threads
from tiny_runs import few

import scq.validation.common.attempts
import scq.validation.studies.work
from scq import data
from scq.quantizers import entries
from scq.training import RunResult, TrainConfig, train
from scq.validation import StudyConfig, report, study
from scq.validation.studies.engines.local import usable
from scq.validation.studies.results.record import read_study
from scq.validation.studies.results.sentences import headline
from scq.validation.studies.results.sheets import points_csv
from scq.validation.studies.results.tables import markdown


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", few)


@pytest.mark.slow
def test_every_registered_quantizer_goes_through_all_stages(tmp_path: Path) -> None:
    names = [entry.name for entry in entries()]
    config = small(tmp_path, arms={name: {} for name in names}, tuning=None)
    record = read_study(study(config, progress=False))
    assert record.missing == []
    assert [summary.arm for summary in record.summaries] == names
    assert [run.arm for run in record.stress] == [name for name in names if name != "none"]
    for summary in record.summaries:
        assert summary.numbers["memory"].mean > 0
        assert summary.timings["step_ratio"].n == 7 * summary.seeds
        assert summary.numbers["step_seconds_min"].mean > 0
        assert summary.numbers["mse"].mean > 0
    page = markdown(record)
    assert all(f"| {name} |" in page for name in names)


def test_a_line_of_the_csv_for_every_run(tmp_path: Path) -> None:
    folder = study(small(tmp_path), progress=False)
    with (folder / "study.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["stage"] for line in lines] == ["tune"] * 4 + ["stress"] + ["final"] * 2
    assert {line["state"] for line in lines} == {"done"}
    # Final runs are of fresh seeds.
    assert [line["seed"] for line in lines] == ["0"] * 5 + ["1"] * 2
    final = json.loads((folder / "study.json").read_text())["rows"][5]
    assert float(lines[5]["psnr"]) == final["test"]["psnr"]
    assert lines[6]["hard_perplexity"] == ""


def test_a_line_of_the_other_csv_for_every_point_of_a_measure() -> None:
    run = {"stage": "final", "run": "final/a", "arm": "exact", "data": "photos", "seed": 1, "varied": {"lam": 1.0}}
    points = [{"cap": 1, "bits": 3.5}, {"cap": 2, "bits": 20.25}]
    rows = [run | {"measures": {"rate": {"points": points}, "cost": {"memory": 5}}}, run | {"state": "failed"}]
    lines = list(csv.DictReader(io.StringIO(points_csv(rows))))
    assert [(line["measure"], line["cap"], line["bits"]) for line in lines] == [
        ("rate", "1", "3.5"),
        ("rate", "2", "20.25"),
    ]
    assert {(line["arm"], line["varied"]) for line in lines} == {("exact", "lam=1.0")}


def test_the_chosen_settings_are_those_of_the_smallest_validation_error(tmp_path: Path) -> None:
    rows = read_study(study(small(tmp_path), progress=False)).rows
    errors = {row["learning_rate"]: row["test"]["mse"] for row in rows[:2]}
    assert all(
        row["learning_rate"] == min(errors, key=errors.__getitem__)
        for row in rows
        if row["arm"] == "vq" and row["stage"] != "tune"
    )


def test_tuning_sees_no_test_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_test(name: str, root: Path | None = None, **settings: object) -> data.ImageData:
        return dataclasses.replace(few(name), test=torch.zeros(3, 3, 32, 32, dtype=torch.uint8))

    before = read_study(study(small(tmp_path), progress=False)).stage("tune")
    monkeypatch.setattr(data, "load", other_test)
    after = read_study(study(small(tmp_path), progress=False)).stage("tune")
    assert [row["test"]["mse"] for row in before] == [row["test"]["mse"] for row in after]


def test_a_killed_study_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(config: TrainConfig, progress: bool) -> RunResult:
        if config.quantizer == "none":
            raise KeyboardInterrupt
        return train(config, progress)

    monkeypatch.setattr(scq.validation.common.attempts, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        study(small(tmp_path), progress=False)
    folder = tmp_path / "small"
    record = read_study(folder)
    assert len(record.rows) == 2
    assert record.missing == ["5 of 7 runs are still to be made"]
    logs = {path: path.stat().st_mtime_ns for path in folder.glob("tune/*/metrics.jsonl")}
    assert len(logs) == 2

    monkeypatch.setattr(scq.validation.common.attempts, "train", train)
    assert study(small(tmp_path, resume=folder), progress=False) == folder
    assert read_study(folder).missing == []
    assert all(path.stat().st_mtime_ns == time for path, time in logs.items())


def test_no_run_is_started_after_the_time_is_up(tmp_path: Path) -> None:
    folder = study(small(tmp_path, minutes=1e-9), progress=False)
    assert read_study(folder).rows == []
    assert read_study(folder).missing == ["7 of 7 runs are still to be made"]


def test_a_failed_run_stops_no_other_one_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(config: TrainConfig, progress: bool) -> RunResult:
        if config.quantizer == "vq" and config.seed == 1:
            raise RuntimeError("out of luck")
        return train(config, progress)

    monkeypatch.setattr(scq.validation.common.attempts, "train", breaks)
    folder = study(small(tmp_path, seeds=2), progress=False)
    record = read_study(folder)
    vq, none = record.summaries
    assert (vq.seeds, vq.failed, none.seeds) == (1, 1, 2)
    assert len(record.missing) == 1 and record.missing[0].endswith("failed: RuntimeError: out of luck")
    assert "| vq | 8 | — | 1, 1 failed |" in (folder / "study.md").read_text()
    assert "out of luck" in report(folder, progress=False).read_text()


def test_when_every_run_fails_the_first_reason_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(config: TrainConfig, progress: bool) -> RunResult:
        raise RuntimeError(f"no {config.quantizer}")

    monkeypatch.setattr(scq.validation.common.attempts, "train", breaks)
    with pytest.raises(RuntimeError, match="RuntimeError: no vq"):
        study(small(tmp_path), progress=False)


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    folder = study(small(tmp_path, tuning=None, stress=None), progress=False)
    with pytest.raises(ValueError, match="ran with steps 2, must be 3"):
        study(small(tmp_path, tuning=None, stress=None, train=TRAIN | {"steps": 3}, resume=folder), progress=False)


def test_a_measure_that_fails_is_named_and_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, trained: object) -> dict[str, Any]:
        raise RuntimeError("no scales")

    with monkeypatch.context() as patched:
        patched.setattr(scq.validation.studies.work, "measure", broken)
        folder = study(small(tmp_path, tuning=None, stress=None), progress=False)
    record = read_study(folder)
    assert [row["state"] for row in record.rows] == ["done", "done"]
    assert record.missing[0].endswith("has no cost: RuntimeError: no scales")
    # It is measured by the next call; nothing is trained again.
    logs = {path: path.stat().st_mtime_ns for path in folder.glob("final/*/metrics.jsonl")}
    study(small(tmp_path, tuning=None, stress=None, resume=folder), progress=False)
    assert read_study(folder).missing == []
    assert all(path.stat().st_mtime_ns == time for path, time in logs.items())


@pytest.mark.slow
def test_processes_make_the_same_numbers_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the processes read the real pictures
    changes = {"tuning": None, "stress": None, "seeds": 2}
    with torch_threads(max(1, usable("cpu") // 2)):  # the cores that a process of two has
        alone = read_study(study(small(tmp_path, **changes), progress=False))
    config = StudyConfig(plan_file(tmp_path, **changes), out=tmp_path, device="cpu", jobs=2)
    together = read_study(study(config, progress=False))
    assert together.missing == []
    assert [row["run"] for row in together.rows] == [row["run"] for row in alone.rows]
    assert [row["test"] for row in together.rows] == [row["test"] for row in alone.rows]
    assert not multiprocessing.active_children()


def test_a_study_of_text_is_tuned_and_told_in_its_own_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: words(40))
    trained = {name: TRAIN[name] for name in ("steps", "batch_size", "width", "dim", "codebook_size", "gap")}
    arms = {"scq": {}, "vq": {}}
    config = small(tmp_path, datasets=["topics"], train=trained | {"model": "text"}, arms=arms, stress=None)
    folder = study(config, progress=False)
    record = read_study(folder)
    assert record.missing == []
    tuned = [row for row in record.stage("tune") if row["arm"] == "vq"]
    best = min(tuned, key=lambda row: row["test"]["cross_entropy"])
    assert {row["learning_rate"] for row in record.stage("final") if row["arm"] == "vq"} == {best["learning_rate"]}
    page = markdown(record)
    assert "topics: held-out text, of one seed" in page and "accuracy of hard decoding, %" in page
    assert "on validation text, bits a character" in page and "PSNR" not in page and "pictures" not in page
    assert "Lowest cross-entropy, " in headline(record) and "topics, K 8, " in headline(record)
    said = report(folder, progress=False).read_text()
    assert "who reconstructs held-out text better?" in said and "scq has accuracy" in said


def test_a_plan_asks_of_a_model_what_it_has(tmp_path: Path) -> None:
    text = {"datasets": ["topics"], "train": {"model": "text"}}
    with pytest.raises(ValueError, match=r"measures has 'rate', but applies to pictures \(train.model is 'text'\)"):
        plan(tmp_path, **text, stress=None, measures=["rate"])
    with pytest.raises(ValueError, match="stress is given, but model 'text' takes no latents_offset to start badly"):
        plan(tmp_path, **text)
    with pytest.raises(ValueError, match="data is 'photos', which are pictures; must be text, as model 'text' takes"):
        plan(tmp_path, train={"model": "text"})
