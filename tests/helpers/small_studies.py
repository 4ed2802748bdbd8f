"""Plans of studies, tiny but real, on a few pictures."""

import json
from pathlib import Path
from typing import Any

import torch

from scq import data
from validation import StudyConfig
from validation.studies.plan import Plan
from validation.studies.plan_files import read_plan

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
