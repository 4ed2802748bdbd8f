"""The demonstration with tiny settings: the parts fit together. The real settings are run by continuous integration."""

from pathlib import Path

import pytest
import torch

from scq import data
from scq.validation import DemoConfig, demo, demonstration
from scq.validation.paired.record import read_record

TRAINING = {"steps": 2, "log_every": 1, "batch_size": 4, "width": 8, "residual_width": 4, "residual_layers": 1}
COMPARISON = {"sizes": ((64, 1, 1),), "dtypes": ("float64",), "backends": ("relaxed",), "repeats": 1}


def few(name: str, root: Path | None = None, **settings: object) -> data.ImageData:
    """A few pictures in place of the real data."""
    pictures = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return data.ImageData(name, pictures, pictures[:12].clone(), "noise")


def test_the_demonstration_ends_with_the_report_of_a_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "load", few)
    monkeypatch.setitem(demonstration._TRAINING, True, TRAINING | {"dim": 4, "codebook_size": 8})
    monkeypatch.setitem(demonstration._COMPARISON, True, COMPARISON)
    # Drawing takes seconds and is tested with the report.
    monkeypatch.setattr("scq.validation.page.reporting.draw_all", lambda *_: {})
    monkeypatch.setattr("scq.validation.page.reporting.render", lambda *_, **values: values["headline"])
    (tmp_path / "demo").mkdir()

    page = demo(DemoConfig(quick=True, out=tmp_path))

    assert page == tmp_path / "demo-2" / "report" / "index.html"
    assert not list((tmp_path / "demo").iterdir())
    record = read_record(tmp_path / "demo-2")
    assert record.missing == []
    assert [(row.backend, row.family, row.features, row.codewords) for row in record.rows] == [
        ("relaxed", "latents", 4, 8)
    ]
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == f"Report: {page}"
    assert any("Held-out pictures" in line for line in shown)
