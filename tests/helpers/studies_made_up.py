"""A study whose numbers are made up, so that any of them can be taken away."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scq.validation.studies.cells import PlannedRun, final_cells, untuned
from scq.validation.studies.plans.files import read_plan
from scq.validation.studies.results.record import StudyRecord
from scq.validation.studies.runner import SETTINGS

PLAN = """
title = "Made up"
datasets = ["photos", "cifar10"]
seeds = 3
measures = ["swap", "relaxations", "rate", "replays"]
[train]
steps = 40
gap = false
[arms]
exact = {quantizer = "scq", gap = true, dump_every = 20}
relaxed = {quantizer = "scq_relaxed", gap = true}
relaxed_1 = {quantizer = "scq_relaxed", relaxation_steps = 1}
vq = {}
none = {}
annealed = {quantizer = "scq_annealed", lam_end = 100.0}
[[slices]]
vary.lam = [1]
arms = ["exact", "relaxed"]
[[slices]]
vary.codebook_size = [1024]
arms = ["exact", "relaxed", "vq", "annealed"]
[[slices]]
vary.dim = [8]
arms = ["exact", "vq"]
[[slices]]
vary.lam_end = [10]
arms = ["annealed"]
"""

Row = dict[str, Any]
LOGGED = (20, 40)


def made_up(folder: Path, change: Callable[[Row], None] | None = None, **over: Any) -> StudyRecord:
    """The plan with every run done, and its logs in ``folder``.

    Args:
        folder: where the logs are written.
        change: is given every row, to take something from it. ``history`` in it is its log.
        **over: fields of the plan to replace, as ``seeds``.
    """
    path = folder / "made_up.toml"
    path.write_text(PLAN)
    plan = read_plan(str(path))
    raw = {**plan.raw, **over}
    seeds, datasets = raw["seeds"], raw["datasets"]
    cells = [
        cell
        for cell in final_cells(plan, folder, untuned(plan))
        if cell.config.seed <= seeds and cell.place[1] in datasets
    ]
    rows = []
    for number, cell in enumerate(cells):
        row = _row(cell, number)
        if change is not None:
            change(row)
        run = folder / row["run"]
        run.mkdir(parents=True)
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in row.pop("history")))
        rows.append(row)
    train = {name: getattr(plan.train, name) for name in ("steps", "batch_size", "width", "dim", "relaxation_steps")}
    data = {
        name: {"description": name, "train_pictures": 100, "test_pictures": 20, "pixels": 1024} for name in datasets
    }
    return StudyRecord(folder, raw, train, data, {"torch": "2"}, len(rows), rows)


def fail(row: Row) -> None:
    """Makes a run one that failed."""
    for name in ("test", "log", "measures"):
        del row[name]
    row |= {"state": "failed", "error": "RuntimeError: no", "history": []}


def _row(cell: PlannedRun, number: int) -> Row:
    arm, data, varied = cell.place
    config, soft = cell.config, cell.config.quantizer.startswith("scq")
    row = {"stage": "final", "run": f"final/{config.name}", "arm": arm, "data": data, "varied": dict(varied)}
    row |= {"seed": config.seed, **{name: getattr(config, name) for name in SETTINGS}}
    row |= {"learning_rate": 1e-3, "factor": 1.0, "weight_name": None, "weight": None, "state": "done"}
    mse = 0.004 + 0.0001 * (number % 7)
    test: dict[str, Any] = {"mse": mse, "psnr": 24 - 1000 * mse, "ssim": 0.8}
    if config.quantizer != "none":
        test |= {"hard_mse": mse * (1.5 if soft else 1), "hard_perplexity": 20.0, "soft_perplexity": 30.0}
        test |= {"active_codes": 40.0, "support_size": 5.0, "tightness": 0.5 if soft else 0.0}
    log: dict[str, Any] = {"step": 40}
    if soft:
        log |= {"quantizer/largest_weight": 0.6, "quantizer/weakly_active_share": 0.01, "quantizer/iterations": 7.0}
        log |= {"quantizer/converged_share": 1.0}
    gap = {f"gap/{name}": value for name, value in _GAP.items()} if config.gap else {}
    rate = {"points": [{"cap": cap, "bits": 3.0 * cap, "mse": mse / cap} for cap in ((1, 2) if soft else (1,))]}
    cost = {"forward": [0.02, 0.03], "plain_forward": [0.01, 0.01], "step": [0.04, 0.06], "plain_step": [0.02, 0.02]}
    measures: dict[str, Any] = {"cost": {**cost, "pictures": 64, "load": 0.5, "threads": 1, "memory": 1e6}}
    measures["rate"] = rate if config.quantizer != "none" else {}
    other = "relaxed" if arm in ("exact", "annealed") else "exact"
    measures["swap"] = {"solver": other, "test": {**test, "psnr": test["psnr"] - 1}} if soft else {}
    measures["relaxations"] = {"points": [{"steps": m, **_GAP, **_WEAK[m]} for m in _WEAK]} if soft else {}
    measures["replays"] = {}
    if config.dump_every and not varied:
        measures["replays"] = {
            "points": [
                {"step": step, "backend": name, "columns": 32, "iterations": 9.0, "relative": 1e-12}
                | {"converged_share": 1.0, "margin": 1e-5, "one_sided_share": 0.01}
                for step in LOGGED
                for name in ("active_set", "qpth")
            ]
        }
    history = [{**log, **gap, "step": step} for step in LOGGED]
    return row | {"test": test, "log": log, "measures": measures, "history": history}


_GAP = {
    "weights_l2": 0.2,
    "certificate_relaxed": 0.5,
    "primal_relaxed": 1e-3,
    "duality_gap_relaxed": 1e-3,
    "kkt_relaxed": 1e-2,
    "quantization_mse_exact": 0.01,
    "quantization_mse_relaxed": 0.02,
    "decoded_mse_exact": 0.004,
    "decoded_mse_relaxed": 0.005,
    "gradient_latents_cosine": 0.8,
    "gradient_codebook_cosine": 0.9,
}
_WEAK: dict[int | None, dict[str, float]] = {
    1: {},
    200: {"kkt_relaxed": 1e-6, "primal_relaxed": 1e-9, "decoded_mse_relaxed": 0.00401, "gradient_latents_cosine": 0.99},
    None: {"primal_relaxed": 0.0},
}
