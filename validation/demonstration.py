"""The demonstration: everything once, on real photographs, with settings that fit two cores and ten minutes."""

from pathlib import Path
from typing import Any

from rich.console import Console

from scq import data
from scq.training import CommonConfig
from scq.training.settings import refuse_others
from scq.training.terminal import say
from scq.validation.common.resuming import SETTINGS, read_settings, working
from scq.validation.comparison.comparing import JSON as COMPARISON
from scq.validation.comparison.comparing import compare
from scq.validation.comparison.measuring.latents import LATENTS
from scq.validation.config import CompareConfig, DemoConfig, GapConfig
from scq.validation.page.reporting import report
from scq.validation.page.sentences import headline
from scq.validation.paired.record import read_record
from scq.validation.paired.tables import metrics_table
from scq.validation.paired.training import paired_runs, runs_so_far

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
        progress: shows bars, or lines where there is no terminal, and tables on the way, and the results and the path
            of the report at the end.

    Returns:
        The path of the report.

    Raises:
        ValueError: a folder to resume that is no demonstration's, or another process's.
        RuntimeError: every training failed. Anything less is in the report.
    """
    config = config or DemoConfig()
    images = data.load(CommonConfig.data)
    if config.resume is not None:
        before = read_settings(config.resume, "demo", DemoConfig)
        if before is None:
            raise ValueError(f"resume is '{config.resume}', must be the folder of a demo (it has no {SETTINGS})")
        refuse_others(config.resume, before, config, may_change=("out", "name"))
    with working("demo", config, (config.out, config.name), _so_far) as folder:
        page = _demo(config, images, folder, progress)
    if progress:
        record = read_record(folder)
        metrics_table(record.tests, record.speeds and record.speeds.forward).transposed().show(Console())
        say(headline(record))
        say(f"Report: {page}")
    return page


def _demo(config: DemoConfig, images: data.ImageData, folder: Path, progress: bool) -> Path:
    paired_runs(GapConfig(CommonConfig(**_TRAINING[config.quick])), images, folder, progress)
    trained = next((folder / name for name in ("exact", "relaxed") if (folder / name / LATENTS).is_file()), None)
    families = ("hull",) if trained is None else ()
    earlier = folder / CompareConfig.name
    resume = earlier if (earlier / COMPARISON).is_file() else None
    compare(
        CompareConfig(families=families, latents=trained, out=folder, resume=resume, **_COMPARISON[config.quick]),
        progress,
    )
    return report(folder, progress=False)


def _so_far(folder: Path) -> str:
    return runs_so_far(folder, GapConfig.methods)
