"""Paired runs, tiny but real: every method trains, is tested, and is swapped."""

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import TINY, few

import scq.validation.common.attempts
from scq import data
from scq.training import CommonConfig, RunResult, TrainConfig, evaluate, load_run, train
from scq.validation import GapConfig, gap
from scq.validation.comparison.measuring.latents import latents_file
from scq.validation.paired.gap_map import load_gap_map
from scq.validation.paired.held_out import load_pictures, swapped


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", few)


def test_every_method_is_trained_tested_and_swapped(tmp_path: Path) -> None:
    folder = gap(GapConfig(TrainConfig(out=tmp_path, **TINY)), progress=False)
    assert folder == tmp_path / "gap"
    results = json.loads((folder / "results.json").read_text())
    assert {name: method["state"] for name, method in results["methods"].items()} == dict.fromkeys(
        ("exact", "relaxed", "vq", "none"), "done"
    )
    assert [(pair["trained"], pair["tested"]) for pair in results["swap"]] == [
        ("exact", "exact"),
        ("exact", "relaxed"),
        ("relaxed", "exact"),
        ("relaxed", "relaxed"),
    ]
    with (folder / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6
    assert float(lines[0]["psnr"]) == pytest.approx(results["methods"]["exact"]["test"]["psnr"])
    assert results["methods"]["none"]["test"]["hard_mse"] is None

    pictures = load_pictures(folder)
    assert set(pictures) == {"original", "exact", "relaxed", "vq", "none"}
    assert torch.equal(pictures["original"][0], few("photos").test[0])
    gaps = load_gap_map(folder / "exact")
    assert gaps is not None and gaps.distance.shape == (12, 8, 8)
    assert gaps.pictures.shape == (10, 32, 32, 3)
    saved = load_file(latents_file(folder / "relaxed"))
    assert saved["latents"].shape == (12 * 64, 4)
    assert torch.equal(saved["codebook"], load_run(folder / "relaxed")[1].quantizer.codebook)


def test_the_methods_see_the_same_batches(tmp_path: Path) -> None:
    folder = gap(GapConfig(TrainConfig(out=tmp_path, **TINY), methods=("vq", "none")), progress=False)
    configs = [load_run(folder / name)[0] for name in ("vq", "none")]
    same = [name for name in vars(configs[0]) if getattr(configs[0], name) == getattr(configs[1], name)]
    assert set(vars(configs[0])) - set(same) == {"quantizer", "name", "codebook_size"}  # none has no codewords


def test_swapping_changes_the_solver_and_nothing_else(tmp_path: Path) -> None:
    folder = gap(GapConfig(TrainConfig(out=tmp_path, **TINY), methods=("relaxed",)), progress=False)
    _, model = load_run(folder / "relaxed")
    other = swapped(folder / "relaxed")
    assert other.quantizer.backend == "active_set"
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    results = json.loads((folder / "results.json").read_text())
    test = evaluate(other, few("photos").test)
    assert results["swap"][0]["tested"] == "exact"
    assert results["swap"][0]["test"]["mse"] == pytest.approx(test["mse"])
    assert results["swap"][0]["test"]["converged_share"] == 1


def test_a_failing_method_does_not_lose_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(config: TrainConfig, progress: bool) -> RunResult:
        if config.name == "exact":
            (config.out / "exact").mkdir()
            raise RuntimeError("the solver gave up [red]")
        return train(config, progress)

    monkeypatch.setattr(scq.validation.common.attempts, "train", breaks)
    config = TrainConfig(out=tmp_path, **TINY)
    folder = gap(GapConfig(config, methods=("exact", "vq")), progress=False)
    methods = json.loads((folder / "results.json").read_text())["methods"]
    assert methods["exact"]["state"] == "failed"
    assert methods["exact"]["error"] == "RuntimeError: the solver gave up [red]"
    assert "breaks" in methods["exact"]["traceback"]
    assert methods["vq"]["state"] == "done"

    # Going on trains what failed, sets its remains aside, and leaves the finished run as it is.
    monkeypatch.setattr(scq.validation.common.attempts, "train", train)
    before = (folder / "vq" / "metrics.jsonl").stat().st_mtime_ns
    assert gap(GapConfig(config, methods=("exact", "vq"), resume=folder), progress=False) == folder
    assert (folder / "vq" / "metrics.jsonl").stat().st_mtime_ns == before
    assert (folder / "exact-unfinished-1").is_dir()
    methods = json.loads((folder / "results.json").read_text())["methods"]
    assert {name: method["state"] for name, method in methods.items()} == {"exact": "done", "vq": "done"}


def test_when_every_method_fails_the_first_reason_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(config: TrainConfig, progress: bool) -> RunResult:
        raise RuntimeError(f"no {config.name}")

    monkeypatch.setattr(scq.validation.common.attempts, "train", breaks)
    with pytest.raises(RuntimeError, match="RuntimeError: no vq"):
        gap(GapConfig(TrainConfig(out=tmp_path, **TINY), methods=("vq", "none")), progress=False)


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    folder = gap(GapConfig(TrainConfig(out=tmp_path, **TINY), methods=("vq",)), progress=False)
    other = TrainConfig(out=tmp_path, **TINY | {"steps": 3})
    with pytest.raises(ValueError, match="vq ran with steps 2, must be 3"):
        gap(GapConfig(other, methods=("vq",), resume=folder), progress=False)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": ("fsq",)}, "methods has 'fsq', must be among: exact, relaxed, vq, none"),
        ({"methods": ()}, "methods is empty"),
        ({"train": CommonConfig(neighbours=3)}, "train.neighbours is 3, but applies to quantizer 'smoothed_knn_l2'"),
        ({"train": CommonConfig(lam=0.3), "methods": ("vq", "none")}, "train.lam is 0.3, but applies to quantizer"),
        ({"methods": ("vq", "vq")}, "must name each once"),
        ({"train": TrainConfig(quantizer="vq")}, "train.quantizer is 'vq'"),
        ({"train": TrainConfig(validation_share=0.5)}, "train.validation_share is 0.5, must be 0"),
        ({"resume": Path("nowhere")}, "resume is 'nowhere'"),
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GapConfig(**wrong)
