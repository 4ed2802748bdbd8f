"""Folders of results made by hand, complete or not: nothing is trained or measured."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from scq.training import TrainConfig
from scq.training.run import Run

PSNR = {"exact": 25.31, "relaxed": 25.0, "vq": 23.1, "none": 26.0}
SWAP = {"exact": 25.31, "relaxed": 24.0}
FORWARD = {"exact": [0.5, 0.4, 0.8], "relaxed": [0.2, 0.45, 0.25], "vq": [0.1, 0.1, 0.11], "none": [0.1, 0.09, 0.1]}
"""Seconds of each round for 100 pictures: the ranges of exact and relaxed overlap, and those of vq and none."""
STEP = {"exact": [0.02, 0.03], "relaxed": [0.04, 0.05], "vq": [0.01, 0.011], "none": [0.007, 0.008]}
QUANTIZERS = {"exact": "scq", "relaxed": "scq_relaxed", "vq": "vq", "none": "none"}


def write_run(folder: Path, method: str, finished: bool = True) -> None:
    run = folder / method
    run.mkdir(parents=True)
    Run(run).write_config(TrainConfig(quantizer=QUANTIZERS[method], out=Path("/secret/place"), steps=40))
    with (run / "metrics.jsonl").open("w") as log:
        for step in range(1, 41, 3):
            line = {"step": step, "train/mse": 0.1 / step, "train/loss": 1 / step, "time/step": 0.1}
            if method != "none":
                line["quantizer/hard_perplexity"] = 10.0 + step
            if method in ("exact", "relaxed"):
                names = (
                    "support_size iterations converged_share margin weakly_active_share"  # of the quantizer
                    "|primal dual complementarity relative"
                    "|weights_l1 weights_l2 support_overlap quantization_mse_exact quantization_mse_relaxed"
                    " decoded_mse_exact decoded_mse_difference kkt_exact kkt_relaxed certificate_exact"
                    " certificate_relaxed gradient_latents_cosine gradient_latents_ratio gradient_codebook_cosine"
                    " gradient_codebook_ratio"
                )
                for prefix, group in zip(("quantizer", "kkt", "gap"), names.split("|"), strict=True):
                    line |= {f"{prefix}/{name}": 0.5 / step for name in group.split()}
            log.write(json.dumps(line) + "\n")
    if finished:
        test = {"psnr": PSNR[method], "ssim": 0.8, "mse": 0.003, "converged_share": 1.0}
        usage = ("hard_mse", "hard_perplexity", "soft_perplexity", "active_codes", "support_size")
        test |= dict.fromkeys(usage, math.nan if method == "none" else 5.0)
        (run / "test.json").write_text(json.dumps(test))


def write_results(folder: Path, failed: dict[str, str]) -> None:
    methods = {name: {"state": "done"} for name in QUANTIZERS} | {
        name: {"state": "failed", "error": error} for name, error in failed.items()
    }
    swap = [{"trained": "exact", "tested": name, "test": {"psnr": value}} for name, value in SWAP.items()]
    data = {"name": "photos", "description": "tiles", "train_pictures": 2000, "test_pictures": 334}
    results = {"methods": methods, "swap": swap, "data": data, "environment": {"python": "3.12", "packages": {}}}
    results["speeds"] = {"forward": FORWARD, "step": STEP, "pictures": 100, "batch": 32, "threads": 2, "load": 0.25}
    (folder / "results.json").write_text(json.dumps(results))


def row(backend: str, seconds: float, error: float, **fields: Any) -> dict[str, Any]:
    known = {"family": "latents", "dtype": "float64", "lam": 0.1, "columns": 32, "features": 16, "codewords": 128}
    repeats = [0.9 * seconds, seconds, 1.1 * seconds]
    measured = {"forward": seconds, "backward": seconds, "weights_error_max": error, "weights_error_median": error}
    measured |= {"forwards": repeats, "backwards": repeats, "rounds": 2}
    return {"backend": backend, "outcome": "ok", "codebook_gradient_error": error} | known | measured | fields


def write_comparison(folder: Path, *rows: dict[str, Any]) -> None:
    (folder / "compare").mkdir(parents=True)
    content = {
        "config": {"repeats": 5, "latents": "/secret/latents", "time_limit": 60.0},
        "environment": {"cpus": 2},
        "rows": rows,
    }
    (folder / "compare" / "compare.json").write_text(json.dumps(content))


def write_gap_map(folder: Path) -> None:
    """Twelve pictures of 4 x 4 latents, whose gap is their contrast."""
    contrast = torch.rand(12, 4, 4, generator=torch.Generator().manual_seed(0))
    sizes = {"support_exact": torch.full((12, 4, 4), 11), "support_relaxed": torch.full((12, 4, 4), 100)}
    pictures = {"pictures": torch.zeros(3, 3, 16, 16, dtype=torch.uint8), "shown": torch.tensor([0, 5, 11])}
    save_file({"distance": 2 * contrast, "contrast": contrast, **sizes, **pictures}, folder / "gap_map.safetensors")


def write_complete(folder: Path) -> Path:
    """Everything that a demonstration leaves."""
    for method in QUANTIZERS:
        write_run(folder, method)
    for method in ("exact", "relaxed"):
        write_gap_map(folder / method)
    write_results(folder, {})
    write_comparison(folder, row("interior_point", 1e-5, 1e-15), row("relaxed", 1e-6, 0.4), row("qpth", 1e-3, 1e-12))
    pictures = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    save_file({"original": pictures, "exact": pictures.clone()}, folder / "pictures.safetensors")
    return folder
