"""The demonstration: everything once, on real photographs, with settings that fit two cores and ten minutes."""

from pathlib import Path
from typing import Any

from rich.console import Console

from scq.training import TrainConfig
from scq.validation.comparison import compare
from scq.validation.config import CompareConfig, DemoConfig, GapConfig
from scq.validation.latents import LATENTS
from scq.validation.metrics import metrics_table
from scq.validation.paired import paired_runs
from scq.validation.record import read_record
from scq.validation.reporting import report
from scq.validation.sentences import headline

_TRAINING: dict[bool, dict[str, Any]] = {
    False: {"steps": 1000, "batch_size": 32, "log_every": 20},
    True: {"steps": 40, "batch_size": 32, "log_every": 4, "width": 32},
}
"""By ``quick``."""

_COMPARISON: dict[bool, dict[str, Any]] = {
    False: {"sizes": ((2048, 16, 128),), "time_limit": 30.0, "peer_columns": 16, "variants": False},
    True: {
        "sizes": ((256, 16, 128),),
        "time_limit": 15.0,
        "peer_columns": 4,
        "repeats": 2,
        "dtypes": ("float64",),
        "variants": False,
    },
}


def demo(config: DemoConfig | None = None, progress: bool = True) -> Path:
    """Trains exactly, by the relaxation, with VQ and unquantised, compares the backends on what came out, and reports.

    Args:
        config: the settings; by default the full demonstration.
        progress: shows bars and tables on the way, and the results and the path of the report at the end.

    Returns:
        The path of the report.

    Raises:
        RuntimeError: every training failed. Anything less is in the report.
    """
    config = config or DemoConfig()
    folder = paired_runs(GapConfig(TrainConfig(out=config.out, name=config.name, **_TRAINING[config.quick])), progress)
    trained = next((folder / name for name in ("exact", "relaxed") if (folder / name / LATENTS).is_file()), None)
    families = ("hull",) if trained is None else ()
    compare(CompareConfig(families=families, latents=trained, out=folder, **_COMPARISON[config.quick]), progress)
    page = report(folder, progress=False)
    if progress:
        record = read_record(folder)
        console = Console()
        console.print(metrics_table(record.tests, record.speeds and record.speeds.forward).transposed().rich())
        console.print(headline(record), soft_wrap=True)
        console.print(f"Report: {page}", soft_wrap=True)
    return page
