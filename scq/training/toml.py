"""The settings of a run as TOML, to read, to change, and to give to ``scq train --config``. Imports no torch."""

import json
from pathlib import Path
from typing import Any

from scq.solvers import plugins
from scq.training.applicability import rules
from scq.training.config import CommonConfig, TrainConfig
from scq.training.settings import hints


def as_toml(config: TrainConfig, version: str) -> str:
    """The settings that apply, in their groups; what is None is left out, which is the default wherever it may be.

    Args:
        config: the settings.
        version: of scq.
    """
    own = "".join(f" --import {module}" for module in plugins.named())
    lines = [f"# scq {version}; to repeat the run: scq train --config run.toml{own}"]
    for part in reversed(CommonConfig.__bases__):
        lines += ["", f"# {part.__doc__}"]
        for name in hints(part):
            value = getattr(config, name)
            if value is not None and all(rule.where(config) for rule in rules(CommonConfig).get(name, ())):
                lines.append(f"{name} = {_literal(value)}")
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    # Basic strings of TOML are those of JSON but for one character, which JSON leaves as it is.
    return json.dumps(str(value) if isinstance(value, Path) else value).replace("\x7f", "\\u007f")
