"""Reports of folders that are complete, incomplete, or hostile. The folders are made by hand: no training here."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from scq.training import TrainConfig
from scq.training.folder import write_config
from validation import report
from validation.record import read_record
from validation.sentences import backend_sentence, headline, swap_sentence

PSNR = {"exact": 25.31, "relaxed": 25.0, "vq": 23.1, "none": 26.0}
SWAP = {"exact": 25.31, "relaxed": 24.0}
QUANTIZERS = {"exact": "scq", "relaxed": "scq_relaxed", "vq": "vq", "none": "none"}


def write_run(folder: Path, method: str, finished: bool = True) -> None:
    run = folder / method
    run.mkdir(parents=True)
    write_config(run, TrainConfig(quantizer=QUANTIZERS[method], out=Path("/secret/place"), steps=40))
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
        test = {"psnr": PSNR[method], "ssim": 0.8, "mse": 0.003, "pictures_per_second": 900.0, "converged_share": 1.0}
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
    (folder / "results.json").write_text(json.dumps(results))


def row(backend: str, seconds: float, error: float, **fields: Any) -> dict[str, Any]:
    known = {"family": "latents", "dtype": "float64", "lam": 0.1, "columns": 32, "features": 16, "codewords": 128}
    measured = {"forward": seconds, "backward": seconds, "weights_error_max": error, "weights_error_median": error}
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


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    for method in QUANTIZERS:
        write_run(tmp_path, method)
    for method in ("exact", "relaxed"):
        write_gap_map(tmp_path / method)
    write_results(tmp_path, {})
    write_comparison(tmp_path, row("interior_point", 1e-5, 1e-15), row("relaxed", 1e-6, 0.4), row("qpth", 1e-3, 1e-12))
    pictures = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    save_file({"original": pictures, "exact": pictures.clone()}, tmp_path / "pictures.safetensors")
    return tmp_path


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the page's text: drawing takes seconds."""
    sections = (
        "held_out",
        "pictures",
        "training",
        "gap",
        "where",
        "gap_pictures",
        "certificates",
        "solver",
        "backends",
    )
    monkeypatch.setattr("validation.reporting.draw_all", lambda *_: {section: [] for section in sections})


class Addresses(HTMLParser):
    """Everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]


def test_a_complete_folder_becomes_one_page_and_its_figures(complete: Path) -> None:
    page = report(complete, progress=False)
    html = page.read_text()
    assert page == complete / "report" / "index.html"
    assert "Missing from this report" not in html

    addresses = Addresses()
    addresses.feed(html)
    assert len(addresses.found) > 20
    assert all(address.startswith("data:") for address in addresses.found)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", html)
    # Addresses inside the inlined SVG files are names of XML dialects, never loaded.
    assert not re.search(r"https?://", html)

    figures = complete / "report" / "figures"
    names = {path.stem for path in figures.glob("*.png")}
    assert names == {path.stem for path in figures.glob("*.pdf")}
    assert {"test_psnr", "training_mse", "gap_weights", "kkt", "certificate", "reconstructions"} <= names
    assert {"solver_iterations", "backends_latents_16x128_weights", "gap_distances", "gap_pictures"} <= names
    assert "11 in the exact solution and 100 in the relaxation" in html
    assert "contrast of the pixels below is 1.00" in html
    assert all((figures / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert all((figures / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in names)
    for heading in ("Held-out pictures", "Swap test", "Backends", "Limitations", "Environment"):
        assert f">{heading}</h2>" in html
    assert "/secret" not in html


def test_the_headline_says_what_the_numbers_say(complete: Path) -> None:
    assert headline(read_record(complete)) == (
        "On 334 held-out pictures (photos), exact SCQ reaches 25.31 dB PSNR: 0.31 dB above the relaxation (25.00 dB), "
        "2.21 dB above VQ (23.10 dB) and 0.69 dB below the unquantised autoencoder (26.00 dB)."
    )
    assert swap_sentence(read_record(complete)) == (
        "The exactly trained model loses 1.31 dB PSNR when tested with the relaxation."
    )
    sentence = backend_sentence(read_record(complete))
    assert sentence is not None
    assert "interior_point takes 20 µs a column" in sentence


@pytest.mark.usefixtures("no_figures")
def test_missing_parts_are_named_and_the_rest_is_reported(tmp_path: Path) -> None:
    write_run(tmp_path, "vq")
    write_run(tmp_path, "relaxed", finished=False)
    html = report(tmp_path, progress=False).read_text()
    assert "Exact SCQ was not trained" in html
    assert "Relaxed SCQ did not finish; its log ends at step 40" in html
    assert "no comparison of backends" in html
    assert "no swap test" in html
    assert "23.10" in html
    assert ">Swap test</h2>" not in html


@pytest.mark.usefixtures("no_figures")
def test_an_error_message_cannot_become_markup(tmp_path: Path) -> None:
    write_run(tmp_path, "vq")
    write_results(tmp_path, {"exact": "RuntimeError: <script>alert('x')</script> & <b>"})
    html = report(tmp_path, progress=False).read_text()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &lt;b&gt;" in html


def test_an_incomplete_folder_has_the_figures_that_its_data_allow(tmp_path: Path) -> None:
    write_run(tmp_path, "none")
    report(tmp_path, progress=False)
    names = {path.stem for path in (tmp_path / "report" / "figures").glob("*.png")}
    assert names == {"test_psnr", "test_ssim", "test_mse", "test_speed", "training_mse", "training_step"}


@pytest.mark.usefixtures("no_figures")
def test_a_comparison_alone_is_reported(tmp_path: Path) -> None:
    missing = row("daqp", 0.0, 0.0, outcome="missing", note="not installed", forward=None, weights_error_max=None)
    write_comparison(tmp_path, row("interior_point", 1e-5, 1e-15), missing)
    html = report(tmp_path, progress=False).read_text()
    assert "interior_point takes 20 µs a column" in html
    assert "Not every backend could be measured in full: daqp" in html


@pytest.mark.usefixtures("no_figures")
def test_a_single_training_run_is_reported(tmp_path: Path) -> None:
    write_run(tmp_path, "exact")
    html = report(tmp_path / "exact", progress=False).read_text()
    assert "exact SCQ reaches 25.31 dB PSNR." in html
    assert "VQ was not trained" in html


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_results_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must be the folder of paired runs"):
        report(tmp_path / name)
