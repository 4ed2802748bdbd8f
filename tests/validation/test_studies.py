"""Studies, tiny but real: arms are tuned, compared over seeds, and started badly."""

import csv
import dataclasses
import io
import json
import math
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from threads import torch_threads

import validation.attempts
import validation.studies.work
from scq import data
from scq.quantizers import entries
from scq.training import RunResult, TrainConfig, train
from validation import StudyConfig, report, study
from validation.studies.cells import (
    CENTRE,
    Choice,
    final_cells,
    places,
    stress_cells,
    trials,
    tuning_cells,
    untuned,
    weight_setting,
)
from validation.studies.engines.local import usable
from validation.studies.plan import Plan
from validation.studies.plan_files import plan_names, read_plan
from validation.studies.record import read_study
from validation.studies.sheets import points_csv
from validation.studies.summary import choice_of, choose, recovery, summarize
from validation.studies.tables import markdown

TINY = {
    "steps": 2,
    "batch_size": 4,
    "width": 8,
    "residual_width": 4,
    "residual_layers": 1,
    "dim": 4,
    "codebook_size": 8,
    "log_every": 1,
    "gap": False,
}


def few(name: str, root: Path | None = None) -> data.ImageData:
    """A few pictures in place of the real data."""
    pictures = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return data.ImageData(name, pictures, pictures[:12].clone(), "noise")


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", few)


def toml(value: Any) -> str:
    """A value as TOML has it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def plan_file(tmp_path: Path, **changes: Any) -> str:
    """A plan of two arms, two trials each, one seed; what is None is left out."""
    content = {
        "title": "Which of the two?",
        "datasets": ["photos"],
        "seeds": 1,
        "train": TINY,
        "arms": {"vq": {}, "none": {}},
        "tuning": {"learning_rates": [1e-3, 1e-2]},
        "stress": {"codebook_size": 16},
    }
    path = tmp_path / "small.toml"
    lines = (f"{name} = {toml(value)}\n" for name, value in (content | changes).items() if value is not None)
    path.write_text("".join(lines))
    return str(path)


def plan(tmp_path: Path, **changes: Any) -> Plan:
    return read_plan(plan_file(tmp_path, **changes), device="cpu")


def small(tmp_path: Path, resume: Path | None = None, minutes: float | None = None, **changes: Any) -> StudyConfig:
    return StudyConfig(
        plan_file(tmp_path, **changes), out=tmp_path, device="cpu", jobs=1, resume=resume, minutes=minutes
    )


def test_every_registered_quantizer_goes_through_all_stages(tmp_path: Path) -> None:
    names = [entry.name for entry in entries()]
    config = small(tmp_path, arms={name: {} for name in names}, tuning=None)
    record = read_study(study(config, progress=False))
    assert record.missing == []
    assert [summary.arm for summary in record.summaries] == names
    assert [run.arm for run in record.stress] == [name for name in names if name != "none"]
    for summary in record.summaries:
        assert summary.numbers["memory"].mean > 0
        assert summary.numbers["step_seconds"].mean > 0
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
    folder = tmp_path / "small"
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
    assert "| vq | 8 | — | 1, 1 failed |" in (folder / "study.md").read_text()
    assert "out of luck" in report(folder, progress=False).read_text()


def test_when_every_run_fails_the_first_reason_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(config: TrainConfig, progress: bool) -> RunResult:
        raise RuntimeError(f"no {config.quantizer}")

    monkeypatch.setattr(validation.attempts, "train", breaks)
    with pytest.raises(RuntimeError, match="RuntimeError: no vq"):
        study(small(tmp_path), progress=False)


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    folder = study(small(tmp_path, tuning=None, stress=None), progress=False)
    with pytest.raises(ValueError, match="ran with steps 2, must be 3"):
        study(small(tmp_path, tuning=None, stress=None, train=TINY | {"steps": 3}, resume=folder), progress=False)


def test_a_measure_that_fails_is_named_and_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, trained: object) -> dict[str, Any]:
        raise RuntimeError("no scales")

    with monkeypatch.context() as patched:
        patched.setattr(validation.studies.work, "measure", broken)
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
    for row in alone.rows + together.rows:
        assert row["test"].pop("pictures_per_second") > 0
    assert [row["test"] for row in together.rows] == [row["test"] for row in alone.rows]
    assert not multiprocessing.active_children()


def test_the_grid_is_the_same_for_all_that_have_a_weight(tmp_path: Path) -> None:
    tuned = plan(
        tmp_path,
        arms={name: {} for name in ("vq", "scq", "smoothed_knn_l2", "fsq")},
        tuning={"learning_rates": [1e-4, 1e-3, 1e-2], "weight_factors": [0.25, 1, 4]},
    )
    assert [len(trials(tuned, arm.quantizer)) for arm in tuned.arms] == [9, 9, 9, 3]  # fsq has no weight
    assert [weight_setting(arm.quantizer) for arm in tuned.arms] == [
        "commitment_weight",
        "quantization_weight",
        "regularizer_weight",
        None,
    ]
    cells = {cell.choice.factor: cell.config for cell in tuning_cells(tuned, Path()) if cell.place[0] == "vq"}
    assert cells[4.0].commitment_weight == 4 * cells[1.0].commitment_weight


def test_tuning_at_the_centre_decides_for_all(tmp_path: Path) -> None:
    tuned = plan(
        tmp_path, datasets=["photos", "cifar10"], arms={"vq": {}}, slices=[{"vary": {"codebook_size": [16]}}], seeds=3
    )
    assert {cell.place for cell in tuning_cells(tuned, Path())} == {("vq", "photos", CENTRE)}
    choices = {("vq", "photos", CENTRE): Choice(0.5, 2.0)}
    cells = [*final_cells(tuned, Path(), choices), *stress_cells(tuned, Path(), choices)]
    assert len(cells) == 2 * 2 * 3 + 1
    assert {cell.config.learning_rate for cell in cells} == {0.5}
    assert {cell.config.commitment_weight for cell in cells} == {0.5}


def test_tuning_everywhere_has_its_own_choice_at_every_place(tmp_path: Path) -> None:
    grid = {"learning_rates": [0.1, 0.2], "where": "each"}
    tuned = plan(tmp_path, arms={"vq": {}}, slices=[{"vary": {"dim": [8]}}], tuning=grid, stress=None)
    here, there = ("vq", "photos", CENTRE), ("vq", "photos", (("dim", 8),))
    assert [cell.place for cell in tuning_cells(tuned, Path())] == [here, here, there, there]
    cells = final_cells(tuned, Path(), {here: Choice(0.1), there: Choice(0.2)})
    assert [(cell.config.dim, cell.config.learning_rate) for cell in cells] == [(4, 0.1), (8, 0.2)]


def test_slices_lead_away_from_the_centre_and_no_place_is_run_twice(tmp_path: Path) -> None:
    sliced = plan(
        tmp_path,
        arms={"scq": {}, "stiff": {"quantizer": "scq", "lam": 1}, "none": {}},
        slices=[
            {"vary": {"lam": [0.1, 1]}, "arms": ["scq", "stiff"]},
            {"vary": {"codebook_size": [8, 16], "dim": [2]}, "arms": ["scq"]},
            {"vary": {"codebook_size": [16]}},
        ],
    )
    assert places(sliced) == [
        ("scq", "photos", CENTRE),
        ("stiff", "photos", CENTRE),
        ("none", "photos", CENTRE),
        ("stiff", "photos", (("lam", 0.1),)),
        ("scq", "photos", (("lam", 1.0),)),
        ("scq", "photos", (("dim", 2),)),
        ("scq", "photos", (("codebook_size", 16), ("dim", 2))),
        ("scq", "photos", (("codebook_size", 16),)),
        ("stiff", "photos", (("codebook_size", 16),)),
    ]


def test_the_stress_test_starts_with_all_codewords_far_from_the_latents(tmp_path: Path) -> None:
    choices = {("vq", "photos", CENTRE): Choice(1e-3)}
    stressed = plan(tmp_path, arms={"vq": {}}, stress={"codebook_size": 16, "steps": 7})
    (cell,) = stress_cells(stressed, tmp_path, choices)
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
    place = {"data": "photos", "arm": "vq", "varied": {}}
    return place | {"state": "done", "seed": seed, "learning_rate": 0.1 * seed, "factor": 1.0, "test": test}


def test_numbers_are_means_and_sample_deviations_over_seeds() -> None:
    (summary,) = summarize([row(1, mse=1.0, hard_mse=2.0), row(2, mse=3.0, hard_mse=6.0)])
    assert summary.numbers["mse"].mean == 2
    assert summary.numbers["mse"].deviation == pytest.approx(math.sqrt(2))
    assert summary.numbers["hardening"].values == (1.0, 3.0)


def test_a_trial_without_a_number_is_never_chosen() -> None:
    rows = [row(1, mse=None), row(2, mse=0.5), row(3, mse=0.7)]
    assert choose(rows) == {("vq", "photos", CENTRE): rows[1]}
    assert choose(rows[:1]) == {}


def test_arms_that_are_to_be_discrete_are_chosen_by_hard_decoding() -> None:
    rows = [row(1, mse=0.5, hard_mse=2.0), row(2, mse=1.0, hard_mse=1.5)]
    assert [choice_of(best) for best in choose(rows).values()] == [Choice(0.1, 1.0)]
    assert [choice_of(best) for best in choose(rows, ["vq"]).values()] == [Choice(0.2, 1.0)]


def test_without_tuning_an_arm_has_its_own_learning_rate(tmp_path: Path) -> None:
    untried = plan(tmp_path, tuning=None, arms={"vq": {}, "fast": {"quantizer": "vq", "learning_rate": 0.5}})
    rates = {cell.place[0]: cell.config.learning_rate for cell in final_cells(untried, tmp_path, untuned(untried))}
    assert rates == {"vq": untried.train.learning_rate, "fast": 0.5}


@pytest.mark.parametrize("name", plan_names())
@pytest.mark.parametrize("quick", [False, True])
def test_the_plans_that_come_with_the_package_can_be_read(name: str, quick: bool) -> None:
    shipped = read_plan(name, quick)
    assert len(final_cells(shipped, Path(), {place: Choice(1e-3) for place in places(shipped)})) > 0
    assert shipped.name == name + "-quick" * quick


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"arms": {"vqq": {}}}, "quantizer is 'vqq', must be one of: scq"),
        ({"arms": {}}, "arms is empty, must name one or more"),
        ({"arms": {"vq": {"lamb": 1}}}, "arms.vq has 'lamb', must be among: "),
        ({"arms": {"vq": {"steps": "many"}}}, "arms.vq.steps is 'many', must be of type int"),
        ({"arms": {"vq": {"steps": 0}}}, "arms.vq: steps is 0, must be at least 1"),
        ({"arms": {"vq": {"out": "elsewhere"}}}, "arms.vq has out, which is set by the command line"),
        ({"datasets": ["photos", "photos"]}, "datasets is .*, must name one or more, each once"),
        ({"datasets": "photos"}, "datasets is 'photos', must be a list of texts"),
        ({"arms": ["vq"]}, r"arms is \['vq'\], must be a table"),
        ({"slices": 3}, "slices is 3, must be a list of tables"),
        ({"slices": [{"vary": ["lam"]}]}, r"slices.vary is \['lam'\], must be a table"),
        ({"tuning": {"learning_rates": ["1e-3"]}}, r"tuning.learning_rates is \['1e-3'\], must be a list of numbers"),
        ({"stress": {"codebook_size": "8"}}, "stress.codebook_size is '8', must be a whole number"),
        ({"seeds": "three"}, "seeds is 'three', must be a whole number"),
        ({"seeds": True}, "seeds is True, must be a whole number"),
        ({"seeds": 0}, "seeds is 0, must be at least 1"),
        ({"title": None}, "the plan has no 'title', which it must have"),
        ({"speed": 1}, "the plan has 'speed', must be among: "),
        ({"measures": ["weight"]}, "measures has 'weight', must be among: swap"),
        ({"slices": [{"vary": {"lam": 1.0}}]}, "slices.vary.lam is 1.0, must be a list of values"),
        ({"slices": [{"vary": {"lam": [1]}, "arms": ["scq"]}]}, "slices.arms has 'scq', must be among: vq, none"),
        ({"tuning": {"learning_rates": [0.0]}}, "tuning.learning_rates is .*, must be one or more different numbers"),
        ({"tuning": {"learning_rates": [1.0], "where": "here"}}, "tuning.where is 'here', must be 'centre' or 'each'"),
        (
            {"tuning": {"learning_rates": [1.0], "hard_arms": ["none"]}},
            "tuning.hard_arms has 'none', must be among: vq",
        ),
        ({"stress": {"codebook_size": 0}}, "stress.codebook_size is 0, must be at least 1"),
        ({"stress": {"codebook_size": 16, "arms": ["none"]}}, "stress.arms has 'none', must be among: vq"),
        # What would be overwritten without a word.
        ({"arms": {"vq": {"seed": 1}}}, "arms.vq has seed, which is set by seeds"),
        ({"arms": {"vq": {"learning_rate": 0.1}}}, "arms.vq has learning_rate, which is set by tuning"),
        (
            {"slices": [{"vary": {"learning_rate": [0.1]}}]},
            "slices.vary has learning_rate, which is set by train or an",
        ),
    ],
)
def test_a_wrong_plan_is_refused_by_name(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, **wrong)


def test_a_plan_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="plan is 'quantisers', must be one of: .*quantizers"):
        read_plan("quantisers")


def test_quick_needs_a_quick_version(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no .quick."):
        read_plan(plan_file(tmp_path), quick=True)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jobs": 0}, "jobs is 0, must be at least 1"),
        ({"minutes": 0.0}, "minutes is 0.0, must be > 0"),
        ({"resume": Path("nowhere")}, "resume is 'nowhere'"),
        ({"engine": "steam"}, "engine has 'steam', must be among: local, ray"),
        ({"name": "a/b"}, "name is 'a/b', must be the name of one folder"),
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudyConfig(**wrong)
