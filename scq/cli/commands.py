"""The commands: for each, its configuration, which is the one that the Python function takes, and what it does.

Configurations import no torch; what a command runs is imported when it runs.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

from tyro.conf import Positional

from scq.cli.coding import DecodeConfig, EncodeConfig, run_decode, run_encode
from scq.cli.finished import EvaluateConfig, PriorConfig, run_evaluate, run_prior
from scq.training.applicability import Applies, refuse_ignored
from scq.training.config import CommonConfig, TrainConfig
from scq.training.presets import without_use
from scq.training.settings import Settings, refuse_others
from scq.validation.config import CompareConfig, DemoConfig, GapConfig, StudyConfig
from scq.validation.paired.methods import METHODS


@dataclass(frozen=True)
class Command:
    """One command: ``scq name``, its options (the fields of ``config``), one line for the help, and what it runs; that
    may return an exit code."""

    name: str
    config: type
    title: str
    run: Callable[[Any], int | None]
    before: Callable[[Path], Any] = lambda folder: None
    """The configuration that a folder was begun with, to resume it; None where an earlier version did not write it."""
    may_change: tuple[str, ...] = ()
    """Settings that may be others when a folder is resumed."""
    fixed: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Settings of a training run that the command sets itself, each to these values in turn, and not its user."""
    preset: Callable[[str], Any] = lambda name: None
    """The configuration of a preset, for the option of that name."""

    def defaults(self, config: Any) -> Any:
        """What the options that are not given shall be, once ``config`` is known; None leaves them as they are."""
        resume = getattr(config, "resume", None)
        return None if resume is None else self.before(resume)

    def check(self, config: Any, defaults: Any) -> None:
        """
        Raises:
            ValueError: a setting was given that is not the one that the folder to resume was begun with.
        """
        refuse_others(config.resume, defaults, config, self.may_change)


@dataclass(frozen=True)
class BackendsConfig:
    """The list of backends has no settings."""


@dataclass(frozen=True)
class DoctorConfig:
    """The examination has no settings."""


@dataclass(frozen=True)
class QuantizersConfig:
    """The list of quantizers has no settings."""


@dataclass(frozen=True)
class DataConfig(Settings):
    """Which data set to download."""

    name: Positional[str | None] = None
    """Data set; without one, all are listed."""
    data_root: Annotated[Path | None, Applies("to a download", lambda config: config.name is not None, "name")] = None
    """Folder to put it into; otherwise the environment variable SCQ_DATA, otherwise a cache folder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_ignored(self)


@dataclass(frozen=True)
class TrainCommandConfig(TrainConfig):
    """The settings of a training run, or the folder of one to go on with."""

    preset: str | None = None
    """Published settings in place of the defaults: small (on a CPU), cifar10, imagenet-f16, simvq-128 or lsun-churches;
    other options change them."""
    resume: Path | None = None
    """Folder of a run that was stopped: goes on from its newest checkpoint, with its settings."""

    def __post_init__(self) -> None:
        _check_preset(self.preset, self.resume)
        if self.preset is not None:
            CommonConfig.__post_init__(self)
            for name, value in without_use(self.preset, self).items():
                object.__setattr__(self, name, value)
        # With a folder, settings are compared with its own, which are not known here.
        super().__post_init__() if self.resume is None else CommonConfig.__post_init__(self)


@dataclass(frozen=True)
class GapCommandConfig(GapConfig):
    """The settings of paired training runs, or the folder of some to go on with."""

    preset: str | None = None
    """Published settings of the runs in place of the defaults, as for scq train."""

    def __post_init__(self) -> None:
        _check_preset(self.preset, self.resume)
        if self.preset is not None:
            object.__setattr__(self, "train", replace(self.train, **without_use(self.preset, self.train)))
        super().__post_init__()


def _check_preset(preset: str | None, resume: Path | None) -> None:
    if preset is not None and resume is not None:
        raise ValueError(f"preset is {preset!r}, must not be given with resume: what was begun goes on as it was")


@dataclass(frozen=True)
class ReportConfig(Settings):
    """What to report on."""

    folder: Positional[tuple[Path, ...]]
    """Folder that gap, study, demo, compare or train wrote; or several of train, to see the runs side by side."""
    out: Path | None = None
    """Folder for the page; by default report in the folder, of several runs report beside the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.folder:
            raise ValueError("folder is missing, must be at least one: scq report FOLDER")


def _backends(config: BackendsConfig) -> None:
    from rich.console import Console

    from scq.cli.listing import show
    from scq.cli.trying import broken, trials, tries
    from scq.solvers import backends

    console = Console()
    with console.status("Trying each backend"):
        tried = trials(tries(backends()))
    show(backends(), console, broken(tried))


def _doctor(config: DoctorConfig) -> int:
    from rich.console import Console

    from scq.cli.doctor import examine

    return examine(Console())


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

    result = train(_as(TrainConfig, config)) if config.resume is None else resume(config.resume)
    if not result.test:
        return  # the first process says it
    print(f"{config.steps} steps of {config.quantizer} on {config.data}; {_held_out(config.model, result.test)}")
    print(f"Run: {result.folder}")


def _held_out(model: str, test: Mapping[str, float]) -> str:
    """A model's numbers in short: those that its entry says, or the first few."""
    from scq.models.registry import get
    from scq.validation.common.metrics import metric

    info = get(model)
    if not info.headline:
        return "held out: " + ", ".join(f"{name} {value:.4g}" for name, value in [*test.items()][:3])
    return f"held-out {info.kind}: {', '.join(metric(name).said(test[name]) for name in info.headline)}"


def _as(kind: type, config: Any) -> Any:
    """The settings without those of the command alone."""
    return kind(**{one.name: getattr(config, one.name) for one in fields(kind)})


def _before_train(folder: Path) -> TrainCommandConfig:
    from scq.training.run import Run

    settings = Run(folder).config
    return TrainCommandConfig(**{one.name: getattr(settings, one.name) for one in fields(settings)}, resume=folder)


def _train_preset(name: str) -> TrainCommandConfig:
    from scq.training.presets import preset

    return TrainCommandConfig(**vars(preset(name)), preset=name)


def _gap_preset(name: str) -> GapCommandConfig:
    from scq.training.presets import get

    return GapCommandConfig(CommonConfig(**get(name).settings), preset=name)


def _before_gap(folder: Path) -> GapCommandConfig | None:
    from scq.validation.common.resuming import read_settings

    settings = read_settings(folder, "gap", GapConfig)
    return None if settings is None else GapCommandConfig(**vars(settings))


def _before_compare(folder: Path) -> CompareConfig:
    from scq.validation.comparison.earlier import settings

    return settings(folder)


def _before(name: str, kind: type) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        from scq.validation.common.resuming import read_settings

        return read_settings(folder, name, kind)

    return read


def _compare(config: CompareConfig) -> None:
    from scq.validation import compare

    rows = compare(config).rows
    outcomes = Counter(str(row.outcome) for row in rows)
    print(f"{len(rows)} measurements: " + ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items()))


def _gap(config: GapCommandConfig) -> None:
    from scq.validation import gap

    _say_measured(gap(_as(GapConfig, config)))


def _study(config: StudyConfig) -> None:
    from scq.validation import study

    _say_measured(study(config))


def _say_measured(folder: Path) -> None:
    print(_summary(folder))
    print(f"For the report run: scq report {quote(str(folder))}")


def _report(config: ReportConfig) -> None:
    from scq.validation import report

    page = report(config.folder, progress=False, out=config.out)
    print(_summary(*config.folder))
    print(f"Report: {page}")


def _summary(*folders: Path) -> str:
    """What the folders show, in short."""
    from scq.validation.page.read import in_short, read

    return in_short(read(folders))


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
        _before_train,
        preset=_train_preset,
    ),
    Command("encode", EncodeConfig, "Encode a folder of files by a trained model: one .npz of codes.", run_encode),
    Command("decode", DecodeConfig, "Decode such codes by the model that wrote them: a folder of files.", run_decode),
    Command(
        "evaluate",
        EvaluateConfig,
        "Measure how the reconstructions of a run look: perceptual distances, and distances of the sets.",
        run_evaluate,
    ),
    Command(
        "prior",
        PriorConfig,
        "Train a prior over the codes of a run: held-out bits a latent, and samples.",
        run_prior,
    ),
    Command(
        "compare",
        CompareConfig,
        "Compare the backends: time, memory, residuals, errors, failures.",
        _compare,
        _before_compare,
        # Those that earlier rows may be a part of: less is refused by the comparison.
        ("backends", "families", "sizes", "dtypes", "presets", "variants", "time_limit"),
    ),
    Command(
        "gap",
        GapCommandConfig,
        "Train with exact and relaxed SCQ, plain VQ and no quantizer, and compare.",
        _gap,
        _before_gap,
        ("methods", "device", "data_root"),
        {"quantizer": [method.quantizer for method in METHODS.values()], "validation_share": [0.0]},
        _gap_preset,
    ),
    Command(
        "study",
        StudyConfig,
        "Run a plan of many trainings: arms tuned alike and compared over seeds.",
        _study,
        _before("study", StudyConfig),
        ("jobs", "engine", "minutes", "device", "data_root"),
    ),
    Command(
        "report",
        ReportConfig,
        "Write the report of what gap, study, demo or compare measured, or of runs: one HTML page.",
        _report,
    ),
    Command(
        "demo",
        DemoConfig,
        "Everything once on real photographs: gap, compare and report.",
        _demo,
        _before("demo", DemoConfig),
    ),
    Command(
        "doctor", DoctorConfig, "One screen for the report of a fault: versions, machine, backends tried.", _doctor
    ),
)
