"""Studies, tiny but real: quantizers are tuned, compared over seeds, and started badly."""

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import validation.attempts
from scq import data
from scq.quantizers import entries
from scq.training import RunResult, TrainConfig, train
from validation import StudyConfig, report, study
from validation.studies.plan import Choice, final_cells, stress_cells, trials, tuning_cells, weight_setting
from validation.studies.record import read_study
from validation.studies.summary import choose, recovery, summarize
from validation.studies.tables import markdown

TINY = TrainConfig(
    steps=2, batch_size=4, width=8, residual_width=4, residual_layers=1, dim=4, log_every=1, gap=False, device="cpu"
)


def few(name: str, root: Path | None = None) -> data.ImageData:
    """A few pictures in place of the real data."""
    pictures = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return data.ImageData(name, pictures, pictures[:12].clone(), "noise")


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", few)


def small(tmp_path: Path, **changes: Any) -> StudyConfig:
    """Two quantizers, two trials each, one seed."""
    settings = {
        "quantizers": ("vq", "none"),
        "sizes": (8,),
        "seeds": 1,
        "learning_rates": (1e-3, 1e-2),
        "weight_factors": (1.0,),
        "stress_size": 16,
    }
    return StudyConfig(dataclasses.replace(TINY, out=tmp_path), **settings | changes)


def test_every_registered_quantizer_goes_through_all_stages(tmp_path: Path) -> None:
    config = small(tmp_path, quantizers=(), tune="off")
    record = read_study(study(config, progress=False))
    assert record.missing == []
    names = [entry.name for entry in entries()]
    assert [summary.quantizer for summary in record.summaries] == names
    assert [run.quantizer for run in record.stress] == [name for name in names if name != "none"]
    for summary in record.summaries:
        assert summary.numbers["memory"].mean > 0
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


def test_the_chosen_settings_are_those_of_the_smallest_validation_error(tmp_path: Path) -> None:
    rows = read_study(study(small(tmp_path), progress=False)).rows
    errors = {row["learning_rate"]: row["test"]["mse"] for row in rows[:2]}
    assert all(
        row["learning_rate"] == min(errors, key=errors.__getitem__)
        for row in rows
        if row["quantizer"] == "vq" and row["stage"] != "tune"
    )


def test_tuning_sees_no_test_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_test(name: str, root: Path | None = None) -> data.ImageData:
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

    monkeypatch.setattr(validation.attempts, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        study(small(tmp_path), progress=False)
    folder = tmp_path / "study"
    record = read_study(folder)
    assert len(record.rows) == 2
    assert record.missing == ["5 of 7 runs are still to be made"]
    logs = {path: path.stat().st_mtime_ns for path in folder.glob("tune/*/metrics.jsonl")}
    assert len(logs) == 2

    monkeypatch.setattr(validation.attempts, "train", train)
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

    monkeypatch.setattr(validation.attempts, "train", breaks)
    folder = study(small(tmp_path, seeds=2), progress=False)
    record = read_study(folder)
    vq, none = record.summaries
    assert (vq.seeds, vq.failed, none.seeds) == (1, 1, 2)
    assert len(record.missing) == 1 and record.missing[0].endswith("failed: RuntimeError: out of luck")
    assert "| vq | 8 | 1, 1 failed |" in (folder / "study.md").read_text()
    assert "out of luck" in report(folder, progress=False).read_text()


def test_when_every_run_fails_the_first_reason_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(config: TrainConfig, progress: bool) -> RunResult:
        raise RuntimeError(f"no {config.quantizer}")

    monkeypatch.setattr(validation.attempts, "train", breaks)
    with pytest.raises(RuntimeError, match="RuntimeError: no vq"):
        study(small(tmp_path), progress=False)


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    config = small(tmp_path, tune="off", stress_size=0)
    folder = study(config, progress=False)
    other = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=3), resume=folder)
    with pytest.raises(ValueError, match="ran with steps 2, must be 3"):
        study(other, progress=False)


def test_the_grid_is_the_same_for_all_that_have_a_weight() -> None:
    config = StudyConfig()
    assert len(trials(config, "vq")) == len(trials(config, "scq")) == len(trials(config, "smoothed_knn_l2")) == 9
    assert len(trials(config, "fsq")) == 3  # it has no weight
    assert [weight_setting(name) for name in ("vq", "scq", "smoothed_knn_l2", "fsq")] == [
        "commitment_weight",
        "quantization_weight",
        "regularizer_weight",
        None,
    ]
    tuned = {cell.choice.factor: cell.config for cell in tuning_cells(config, Path()) if cell.place[2] == "vq"}
    assert tuned[4.0].commitment_weight == 4 * tuned[1.0].commitment_weight


def test_tuning_at_the_first_place_only_decides_for_all() -> None:
    config = StudyConfig(quantizers=("vq",), datasets=("photos", "cifar10"), tune="first")
    assert {cell.place for cell in tuning_cells(config, Path())} == {("photos", 128, "vq")}
    choices = {("photos", 128, "vq"): Choice(0.5, 2.0)}
    cells = [*final_cells(config, Path(), choices), *stress_cells(config, Path(), choices)]
    assert len(cells) == 2 * 2 * 3 + 1
    assert {cell.config.learning_rate for cell in cells} == {0.5}
    assert {cell.config.commitment_weight for cell in cells} == {0.5}


def test_the_stress_test_starts_with_all_codewords_far_from_the_latents(tmp_path: Path) -> None:
    choices = {("photos", 8, "vq"): Choice(1e-3)}
    (cell,) = stress_cells(small(tmp_path, quantizers=("vq",), stress_steps=7), tmp_path, choices)
    assert cell.config.steps == 7
    run = train(dataclasses.replace(cell.config, steps=1), progress=False)
    near = train(dataclasses.replace(cell.config, steps=1, latents_offset=0.0), progress=False)
    assert run.history[0]["train/quantizer_loss"] > 5 * near.history[0]["train/quantizer_loss"]


def test_recovery_is_the_step_from_which_the_perplexity_stays() -> None:
    assert recovery([1, 10, 20, 30], [1.0, 60.0, 40.0, 50.0], ceiling=500) == 30
    assert recovery([1, 10, 20], [50.0, 60.0, 70.0], ceiling=500) == 1
    assert recovery([1, 10], [60.0, 40.0], ceiling=500) is None
    assert recovery([1], [math.nan], ceiling=500) is None


def row(seed: int, **test: float | None) -> dict[str, Any]:
    place = {"data": "photos", "codebook_size": 8, "quantizer": "vq"}
    return place | {"state": "done", "seed": seed, "learning_rate": 0.1 * seed, "factor": 1.0, "test": test}


def test_numbers_are_means_and_sample_deviations_over_seeds() -> None:
    (summary,) = summarize([row(1, mse=1.0, hard_mse=2.0), row(2, mse=3.0, hard_mse=6.0)])
    assert summary.numbers["mse"].mean == 2
    assert summary.numbers["mse"].deviation == pytest.approx(math.sqrt(2))
    assert summary.numbers["hardening"].values == (1.0, 3.0)


def test_a_trial_without_a_number_is_never_chosen() -> None:
    rows = [row(1, mse=None), row(2, mse=0.5), row(3, mse=0.7)]
    assert choose(rows) == {("photos", 8, "vq"): Choice(0.2, 1.0)}
    assert choose(rows[:1]) == {}


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"quantizers": ("vqq",)}, "quantizer is 'vqq', must be one of: scq"),
        ({"quantizers": ("vq", "vq")}, "quantizers is .*, must name each once"),
        ({"sizes": ()}, "sizes is empty"),
        ({"sizes": (0,)}, "sizes is .*, must be at least 1"),
        ({"seeds": 0}, "seeds is 0, must be at least 1"),
        ({"tune": "never"}, "tune has 'never', must be among: each, first, off"),
        ({"learning_rates": (0.0,)}, "learning_rates is .*, must be finite and > 0"),
        ({"weight_factors": (math.inf,)}, "weight_factors is .*, must be finite and > 0"),
        ({"stress_size": -1}, "stress_size is -1"),
        ({"stress_steps": 0}, "stress_steps is 0, must be at least 1"),
        ({"stress_offset": math.nan}, "stress_offset is nan"),
        ({"minutes": 0.0}, "minutes is 0.0, must be > 0"),
        ({"train": TrainConfig(quantizer="vq")}, "train.quantizer is 'vq', must be left alone: quantizers sets it"),
        ({"resume": Path("nowhere")}, "resume is 'nowhere'"),
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudyConfig(**wrong)
