"""The speeds of a report: from made-up rounds to its page, and old files that have one pass of each model."""

import json
import re
from pathlib import Path

import pytest
import torch
from folders import FORWARD, STEP, write_complete

from scq.data import ImageData
from scq.models import Autoencoder
from scq.training import TrainConfig, build_model
from scq.validation import report
from scq.validation.paired import speeds
from scq.validation.paired.plots.held_out import speed, speed_caption, step_time, step_time_caption
from scq.validation.paired.record import read_record


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    return write_complete(tmp_path)


def test_speeds_that_overlap_are_points_with_ranges_and_no_bars(complete: Path) -> None:
    record = read_record(complete)
    for draw, times, scale in ((speed, FORWARD, None), (step_time, STEP, 1e3)):
        drawing = draw(record)
        assert drawing is not None
        (axes,) = drawing.axes
        assert not axes.patches
        assert len(axes.containers) == len(times)
        for container, values in zip(axes.containers, times.values(), strict=True):
            ((low, _), (high, _)) = container.lines[2][0].get_segments()[0]
            ends = [100 / value if scale is None else scale * value for value in values]
            assert (low, high) == pytest.approx((min(ends), max(ends)))


def test_the_captions_say_how_it_was_measured_and_who_is_not_told_apart(complete: Path) -> None:
    record = read_record(complete)
    caption = speed_caption(record)
    assert "100 held-out pictures at a time: median, and smallest to largest, of 3 rounds" in caption
    assert "2 threads; load average 0.25 before" in caption
    assert "overlap: Exact SCQ and Relaxed SCQ, VQ and Unquantised." in caption
    assert "Not told apart" not in step_time_caption(record)


@pytest.mark.usefixtures("undrawn")
def test_every_model_has_one_speed_on_the_page(complete: Path) -> None:
    html = report(complete, progress=False).read_text()
    assert html.count("<td") > 50
    assert len(re.findall(r"<td[^>]*>200 \(125 to 250\)", html)) == 1
    assert "pictures/s, median (range)" in html
    assert "time of a step" not in html


@pytest.mark.usefixtures("undrawn")
def test_one_pass_of_an_older_folder_is_not_shown(complete: Path) -> None:
    path = complete / "results.json"
    results = json.loads(path.read_text())
    del results["speeds"]
    for pair in results["swap"]:
        pair["test"]["pictures_per_second"] = 3399.0
    path.write_text(json.dumps(results))
    for method in FORWARD:
        test = complete / method / "test.json"
        test.write_text(json.dumps(json.loads(test.read_text()) | {"pictures_per_second": 825.0}))
    html = report(complete, progress=False).read_text()
    assert "the trained models were not timed in turns, so no speeds are shown" in html
    assert "825" not in html
    assert "3,399" not in html
    assert not (complete / "report" / "figures" / "test_speed.png").exists()


def test_the_models_take_turns_and_keep_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    named = {"exact": "scq", "vq": "vq"}
    models = {name: build_model(TrainConfig(quantizer=quantizer, width=8)) for name, quantizer in named.items()}
    images = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    for model in models.values():
        model.meet(ImageData("noise", images, images, "noise"))
        speeds.step(model, torch.rand(4, 3, 16, 16))  # the first one starts the codebook by k-means
    before = {name: {key: x.clone() for key, x in model.state_dict().items()} for name, model in models.items()}

    def noted(kind: str):
        real = getattr(speeds, kind)

        def work(model: Autoencoder, pictures: torch.Tensor) -> None:
            order.append(f"{kind} {next(name for name, other in models.items() if other is model)} {len(pictures)}")
            real(model, pictures)

        return work

    for kind in ("forward", "step"):
        monkeypatch.setattr(speeds, kind, noted(kind))
    monkeypatch.setattr(speeds, "ROUNDS", 2)
    content = json.loads(json.dumps(speeds.measure_speeds(models, images, 4, torch.device("cpu"))))
    assert order == ["forward exact 6", "step exact 4", "forward vq 6", "step vq 4"] * 3
    found = speeds.read_speeds(content)
    assert found is not None
    assert found.forward["exact"].n == found.step["vq"].n == 2
    assert (found.pictures, found.batch) == (6, 4)
    for name, model in models.items():
        assert all(torch.equal(x, before[name][key]) for key, x in model.state_dict().items()), name
        assert all(p.grad is None for p in model.parameters())
