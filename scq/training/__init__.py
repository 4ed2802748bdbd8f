"""Training, evaluation and the folders that runs live in.

Names are imported when first used: the command line needs :class:`TrainConfig` without torch.
"""

from typing import TYPE_CHECKING, Any

from scq.extras import need
from scq.solvers.lazy import offered
from scq.training.config import CommonConfig, TrainConfig

if TYPE_CHECKING:
    from scq.models.evaluation import evaluate
    from scq.training.loop import RunResult, resume, train
    from scq.training.model import build_model
    from scq.training.run import Run, load_run

_LAZY = {
    "Run": "scq.training.run",
    "RunResult": "scq.training.loop",
    "build_model": "scq.training.model",
    "evaluate": "scq.models.evaluation",
    "load_run": "scq.training.run",
    "resume": "scq.training.loop",
    "train": "scq.training.loop",
}

__all__ = ["CommonConfig", "Run", "RunResult", "TrainConfig", "build_model", "evaluate", "load_run", "resume", "train"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        need("train")
    return offered("scq.training", _LAZY, name)


def __dir__() -> list[str]:
    return sorted(__all__)
