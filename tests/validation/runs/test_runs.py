"""Pages of one run and of several: what they are called, what is said of them, and that no place is left empty."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folders import write_run
from small_runs import config, few_photos
from toy_model import INFO, POINTS

from scq import data, models
from scq.training import TrainConfig, train
from scq.training.run import Run
from scq.validation import report
from scq.validation.runs.looking import look_at
from scq.validation.runs.plots import curves
from scq.validation.runs.plots.models import codebook, numbers
from scq.validation.runs.record import read_runs
from scq.validation.runs.sentences import beside, headline


def made_up(place: Path, psnr: float | None, quantizer: str = "scq", **changes: Any) -> Path:
    """A run of made-up numbers; without a PSNR it has not finished."""
    write_run(place, "exact", finished=psnr is not None)
    place.joinpath("exact").rename(folder := place / f"run-{len(list(place.iterdir()))}")
    Run(folder).write_config(TrainConfig(quantizer=quantizer, steps=40, **changes))
    if psnr is not None:
        test = {"psnr": psnr, "mse": 10 ** (-psnr / 10), "hard_mse": 0.01, "hard_perplexity": 16.0, "ssim": 0.5}
        (folder / "test.json").write_text(json.dumps(test))
    return folder


def test_runs_are_called_by_what_sets_them_apart_and_grouped_by_all_but_their_seed(tmp_path: Path) -> None:
    runs = read_runs(
        [
            made_up(tmp_path, 20.0, lam=0.1),
            made_up(tmp_path, 22.0, lam=0.1, seed=1, log_every=5),
            made_up(tmp_path, 25.0, lam=1.0),
            made_up(tmp_path, 24.0, "vq"),
        ]
    )
    assert list(runs.differing) == ["quantizer", "lam"]
    assert [run.label for run in runs.runs] == [
        "scq, lam 0.1, seed 0",
        "scq, lam 0.1, seed 1",
        "scq, lam 1.0",
        "vq, lam 0.1",
    ]
    assert {group: len(members) for group, members in runs.groups.items()} == {
        "scq, lam 0.1": 2,
        "scq, lam 1.0": 1,
        "vq, lam 0.1": 1,
    }
    assert headline(runs) == (
        "4 runs side by side, on held-out examples: scq, lam 0.1 21.00 ± 1.4 dB PSNR, scq, lam 1.0 25.00 dB PSNR, "
        "vq, lam 0.1 24.00 dB PSNR."
    )
    hard, seeds = beside(runs)
    assert "scq, lam 1.0 20.00 dB at 7 bits a latent (4.00 by entropy)" in hard and hard.endswith(
        "more bits than that."
    )
    assert seeds == "Numbers of a group are mean ± standard deviation over 1 to 2 seeds."

    drawing = numbers(runs, "psnr")
    assert drawing is not None
    trained = [
        container for container in drawing.axes[0].containers if container.get_label().strip("_") == "as trained"
    ]
    assert [float(one.lines[0].get_xdata()[0]) for one in trained] == [21.0, 25.0, 24.0]


def test_one_run_says_its_answer_and_that_it_is_of_one_seed(tmp_path: Path) -> None:
    runs = read_runs([made_up(tmp_path, 20.0, "vq", seed=3)])
    assert headline(runs) == "vq on photos: 20.00 dB PSNR on held-out examples after 40 steps."
    hard, seed = beside(runs)
    assert hard == "Decoded by the largest weight alone: vq 20.00 dB at 7 bits a latent (4.00 by entropy)."
    assert seed.startswith("One seed (3): the spread between seeds was not measured")


def test_a_run_of_an_earlier_version_differs_in_nothing_that_it_did_not_have(tmp_path: Path) -> None:
    folders = [made_up(tmp_path, 20.0), made_up(tmp_path, 21.0)]
    settings = json.loads((folders[0] / "config.json").read_text())
    for name in ("samples_every", "precision", "accumulate"):
        del settings[name]
    (folders[0] / "config.json").write_text(json.dumps(settings))
    runs = read_runs(folders)
    assert runs.differing == []
    assert [run.label for run in runs.runs] == ["scq, seed 0 (run-1)", "scq, seed 0 (run-2)"]


def test_the_first_step_is_apart_from_the_curve_of_time(tmp_path: Path) -> None:
    folder = made_up(tmp_path, 20.0)
    log = [{"step": step, "time/step": 9.0 if step == 1 else 0.1} for step in (1, 20, 40)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    runs = read_runs([folder])
    drawing = curves.curve(runs, "time/step")
    assert drawing is not None
    (line,) = drawing.axes[0].lines
    assert line.get_xdata().tolist() == [20, 40] and line.get_ydata().tolist() == [0.1, 0.1]
    assert "The first step, which also compiles and allocates, is left out: 9.00 s." in curves.caption(
        runs, "time/step"
    )


def test_every_number_of_the_log_has_its_curve_whatever_it_is_called(tmp_path: Path) -> None:
    folder = made_up(tmp_path, 20.0)
    line = {"step": 1, "train/fid": 3.0, "quantizer/hard_perplexity": 2.0, "kkt/dual": 1.0}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    runs = read_runs([folder])
    assert {section: names for section, names in curves.sections(runs).items() if names} == {
        "training": ["quantizer/hard_perplexity", "train/fid"],
        "kkt": ["kkt/dual"],
    }
    drawing = curves.curve(runs, "train/fid")
    assert drawing is not None and drawing.axes[0].get_ylabel() == "train/fid"


def test_names_from_elsewhere_become_neither_paths_nor_formulas_nor_markup(tmp_path: Path) -> None:
    strange = '../$\\no$ "><script>'
    folders = [made_up(tmp_path, None) for _ in range(2)]
    for number, folder in enumerate(folders):
        line = {"step": 1, f"train/{strange}": 3.0}
        (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        folders[number] = folder.rename(folder.with_name(f"$\\no$ <b>{number}"))
    page = report(folders, progress=False)
    html = page.read_text()
    assert "<b>" not in html and strange not in html and "&lt;b&gt;" in html
    assert {path.name for path in (page.parent / "figures").iterdir()} == {"training_0.png", "training_0.pdf"}


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_did_not_finish_is_reported_as_far_as_it_came(tmp_path: Path) -> None:
    html = report(made_up(tmp_path, None), progress=False).read_text()
    assert "<h1>scq has not finished: its log ends at step 40 of 40.</h1>" in html
    assert "Missing from this report" not in html
    assert 'id="training"' in html and 'id="results"' not in html and 'id="samples"' not in html


@pytest.mark.usefixtures("undrawn")
def test_data_that_is_not_here_costs_the_samples_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **_: few)
    folder = train(config(tmp_path, "vq", steps=1, trackers=()), progress=False).folder

    def gone(name: str, root: Path | None = None, **_: Any) -> None:
        raise FileNotFoundError(f"no {name} <here>")

    monkeypatch.setattr(data, "load", gone)
    html = report(folder, progress=False).read_text()
    assert "there are no samples of vq: no photos &lt;here&gt;" in html
    assert 'id="results"' in html and 'id="samples"' not in html and 'id="codebook"' not in html


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> data.ImageData:
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **_: few)
    return few


@pytest.mark.usefixtures("undrawn", "photos")
def test_the_page_of_a_run_has_what_the_run_has_and_no_holes(tmp_path: Path) -> None:
    settings = config(tmp_path, "scq", steps=2, log_every=1, trackers=())
    for quantizer, wanted in (
        (
            "scq",
            ["results", "samples", "training", "codebook", "kkt", "codes", "gap", "time", "settings", "environment"],
        ),
        ("none", ["results", "samples", "training", "time", "settings", "environment"]),
    ):
        folder = train(dataclasses.replace(settings, name=quantizer).of(quantizer), progress=False).folder
        page = report(folder, progress=False)
        assert page == folder / "report" / "index.html"
        html = page.read_text()
        assert re.findall(r'<h2 id="(\w+)"', html) == wanted
        assert "Missing from this report" not in html
        assert "<td>—" not in html and ">nan<" not in html.lower()


@pytest.mark.usefixtures("undrawn", "photos")
def test_several_runs_have_a_page_beside_the_first_or_where_they_are_told(tmp_path: Path) -> None:
    folders = [
        train(config(tmp_path, quantizer, steps=1, trackers=()), progress=False).folder for quantizer in ("vq", "none")
    ]
    assert report(folders, progress=False) == tmp_path / "runs" / "report" / "index.html"
    page = report([str(folder) for folder in folders], progress=False, out=tmp_path / "there")
    assert page == tmp_path / "there" / "index.html"
    html = page.read_text()
    assert re.search(r"<h1>2 runs side by side, on held-out examples: vq, .* dB PSNR, none, .* dB PSNR\.</h1>", html)
    assert 'id="differences"' in html  # none has no codewords, and so no number of them
    assert "One seed each: the spread" in html
    assert str(tmp_path) not in html


def test_what_is_seen_of_a_model_is_what_it_does(tmp_path: Path, photos: data.ImageData) -> None:
    result = train(config(tmp_path, "vq", steps=1, trackers=()), progress=False)
    (run,) = read_runs([result.folder]).runs
    seen, missing = look_at([run])
    assert missing == []
    one = seen[run.label]
    chosen = torch.linspace(0, len(photos.test) - 1, min(10, len(photos.test))).round().long()
    originals = photos.test[chosen]
    assert np.array_equal(one.originals, originals.permute(0, 2, 3, 1))
    assert np.array_equal(one.made, result.model.samples(originals).permute(0, 2, 3, 1))
    assert np.allclose(one.codewords, result.model.quantizer.codebook.detach())
    assert one.use.sum() == min(64, len(photos.test)) * 64
    best = int(one.use.argmax())
    tile = result.model.decode_codes(torch.full((1, 4, 4), best))[0].detach()
    assert np.abs(one.tiles[0] / 255 - 0.5 - tile.clamp(-0.5, 0.5).permute(1, 2, 0).numpy()).max() < 0.5 / 255 + 1e-6
    assert codebook(one) is not None


@pytest.fixture
def toy() -> Iterator[None]:
    models.register(INFO)
    data.register(POINTS)
    yield
    models.unregister(INFO.name)
    data.unregister(POINTS.name)


@pytest.mark.usefixtures("undrawn", "toy")
def test_a_model_of_no_pictures_has_its_own_numbers_and_no_samples(tmp_path: Path) -> None:
    sizes = {"codebook_size": 6, "dim": 2, "width": 8, "batch_size": 8, "steps": 2, "log_every": 1}
    settings = TrainConfig(model="toy", data="points", device="cpu", out=tmp_path, trackers=(), gap=False, **sizes)
    html = report(train(settings, progress=False).folder, progress=False).read_text()
    assert re.search(r"<h1>scq on points: error 0\.\d+ on held-out examples after 2 steps\.</h1>", html)
    assert 'id="samples"' not in html and 'id="codebook"' in html
    assert "Missing from this report" not in html


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda run: [run, run], "twice, must name each run once"),
        (lambda run: [run, run.parent], "must be the folder of a run"),
        (lambda run: [], "folder is empty"),
    ],
)
def test_what_cannot_stand_side_by_side_is_refused_by_name(tmp_path: Path, wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        report(wrong(made_up(tmp_path, 20.0)), progress=False)
    assert not (tmp_path / "report").exists()
