"""Plans of studies, tiny but real."""

import json
from pathlib import Path
from typing import Any

from tiny_runs import TINY

from scq.validation import StudyConfig
from scq.validation.studies.plans.files import read_plan
from scq.validation.studies.plans.plan import Plan

TRAIN = TINY | {"log_every": 1, "gap": False}


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
        "train": TRAIN,
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
