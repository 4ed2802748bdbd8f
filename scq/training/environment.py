"""What a run was run with, without names or paths of the machine."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from scq.extras import versions
from scq.solvers import plugins


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, what was brought along by others, processor, threads, device and revision of the code."""
    return {
        "python": platform.python_version(),
        "packages": versions(),
        "plugins": plugins.packages(),
        "imported": plugins.named(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "git_revision": _revision(),
    }


def _revision() -> str | None:
    """The commit of the source tree, with "+changes" when files differ from it; None for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + "+changes" * bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
