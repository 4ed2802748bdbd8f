"""What a study is made of: the grids of tuning, the places of its runs, and the numbers over seeds."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from small_studies import plan
from tiny_runs import few

from scq import data
from scq.training import train
from scq.validation.studies.cells import (
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
from scq.validation.studies.results.summary import choice_of, choose, recovery, summarize


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


def test_the_stress_test_starts_with_all_codewords_far_from_the_latents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", few)
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
