"""The commands: for each, its configuration, which is the one that the Python function takes, and what it does.

Configurations import no torch; what a command runs is imported when it runs.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from shlex import quote
from typing import Any

from tyro.conf import Positional

from scq.training.config import TrainConfig
from scq.validation.config import CompareConfig, DemoConfig, GapConfig, StudyConfig


@dataclass(frozen=True)
class Command:
    """One command: ``scq name``, its options (the fields of ``config``), one line for the help, and what it runs."""

    name: str
    config: type
    title: str
    run: Callable[[Any], None]
    defaults: Callable[[Any], Any] = lambda config: None
    """What the options that are not given shall be, once ``config`` is known; None leaves them as they are."""


@dataclass(frozen=True)
class BackendsConfig:
    """The list of backends has no settings."""


@dataclass(frozen=True)
class QuantizersConfig:
    """The list of quantizers has no settings."""


@dataclass(frozen=True)
class DataConfig:
    """Which data set to download."""

    name: Positional[str | None] = None
    """Data set; without one, all are listed."""
    data_root: Path | None = None
    """Folder to put it into; otherwise the environment variable SCQ_DATA, otherwise a cache folder."""


@dataclass(frozen=True)
class TrainCommandConfig(TrainConfig):
    """The settings of a training run, or the folder of one to go on with."""

    resume: Path | None = None
    """Folder of a run that was stopped: goes on from its newest checkpoint, with its settings."""


@dataclass(frozen=True)
class ReportConfig:
    """What to report on."""

    folder: Positional[Path]
    """Folder that gap, study, demo or compare wrote."""


def _backends(config: BackendsConfig) -> None:
    from rich.console import Console

    from scq.cli.listing import show
    from scq.solvers import backends

    show(backends(), Console())


def _quantizers(config: QuantizersConfig) -> None:
    from rich.console import Console

    from scq.cli.listing import show_quantizers
    from scq.quantizers import entries

    show_quantizers(entries(), Console())


def _data(config: DataConfig) -> None:
    from rich.console import Console

    from scq.cli.datasets import download, show
    from scq.data.registry import datasets, get

    if config.name is None:
        show(datasets(), Console())
        return
    path = download(get(config.name), config.data_root, Console(stderr=True))
    print(f"Data: {path}")


def _train(config: TrainCommandConfig) -> None:
    from scq.training import resume, train

    result = train(_of_the_run(config)) if config.resume is None else resume(_with_its_settings(config))
    if not result.test:
        return  # the first process says it
    test = result.test
    print(
        f"{config.steps} steps of {config.quantizer} on {config.data}; held-out pictures: PSNR {test['psnr']:.2f} dB, "
        f"SSIM {test['ssim']:.4f}"
    )
    print(f"Run: {result.folder}")


def _of_the_run(config: TrainCommandConfig) -> TrainConfig:
    return TrainConfig(**{field.name: getattr(config, field.name) for field in fields(TrainConfig)})


def _settings_to_resume_with(config: TrainCommandConfig) -> TrainCommandConfig | None:
    """The run's own, so that an option that was given shows as one that differs."""
    if config.resume is None:
        return None
    from scq.training.folder import read_config

    settings = read_config(config.resume)
    return TrainCommandConfig(**{f.name: getattr(settings, f.name) for f in fields(settings)}, resume=config.resume)


def _with_its_settings(config: TrainCommandConfig) -> Path:
    from scq.training.folder import read_config

    assert config.resume is not None
    settings = read_config(config.resume)
    for field in fields(settings):
        was, given = getattr(settings, field.name), getattr(config, field.name)
        if was != given:
            raise ValueError(
                f"resume is '{config.resume}', which was started with {field.name} {was}, must not be given {given}: "
                "a run goes on with its own settings"
            )
    return config.resume


def _compare(config: CompareConfig) -> None:
    from scq.validation import compare

    rows = compare(config).rows
    outcomes = Counter(str(row.outcome) for row in rows)
    print(f"{len(rows)} measurements: " + ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items()))


def _gap(config: GapConfig) -> None:
    from scq.validation import gap

    folder = gap(config)
    print(_summary(folder))
    print(f"For the report run: scq report {quote(str(folder))}")


def _study(config: StudyConfig) -> None:
    from scq.validation import study

    folder = study(config)
    print(_summary(folder))
    print(f"For the report run: scq report {quote(str(folder))}")


def _report(config: ReportConfig) -> None:
    from scq.validation import report

    page = report(config.folder, progress=False)
    print(_summary(config.folder))
    print(f"Report: {page}")


def _summary(folder: Path) -> str:
    """What the folder shows, in short: of a study, of the training runs when there are any, or of the backends."""
    from scq.validation.record import read_record
    from scq.validation.sentences import backend_sentence, headline
    from scq.validation.studies import record as studies
    from scq.validation.studies import sentences

    if studies.is_study(folder):
        return sentences.headline(studies.read_study(folder))
    record = read_record(folder)
    return headline(record) if record.runs else backend_sentence(record) or "No exact backend of ours was measured."


def _demo(config: DemoConfig) -> None:
    from scq.validation import demo

    demo(config)


COMMANDS = (
    Command("backends", BackendsConfig, "List the solver backends: what each can do, and what is missing.", _backends),
    Command("quantizers", QuantizersConfig, "List the quantizers: what each is made of.", _quantizers),
    Command("data", DataConfig, "List the data sets, or download one: scq data cifar10.", _data),
    Command(
        "train",
        TrainCommandConfig,
        "Train one autoencoder, measuring what the solver does.",
        _train,
        _settings_to_resume_with,
    ),
    Command("compare", CompareConfig, "Compare the backends: time, memory, residuals, errors, failures.", _compare),
    Command("gap", GapConfig, "Train with exact and relaxed SCQ, plain VQ and no quantizer, and compare.", _gap),
    Command("study", StudyConfig, "Run a plan of many trainings: arms tuned alike and compared over seeds.", _study),
    Command(
        "report", ReportConfig, "Write the report of what gap, study, demo or compare measured: one HTML page.", _report
    ),
    Command("demo", DemoConfig, "Everything once on real photographs: gap, compare and report.", _demo),
)
