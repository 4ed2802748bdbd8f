"""What the studies are told: the command line is made from these classes. Imports no torch."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from scq.models import registry as models
from scq.solvers import registry
from scq.training.applicability import Applies, ignored, refuse_ignored
from scq.training.config import CommonConfig
from scq.training.kinds import Count, Positive, Whole
from scq.training.settings import Settings, check_folder_name
from scq.validation.paired.methods import METHODS

Family = Literal["random", "hull"]
DType = Literal["float32", "float64"]
Engine = Literal["local", "ray"]
Preset = Literal["low", "mid", "high"]
Method = Literal["exact", "relaxed", "vq", "none"]


def _compared(config: Any) -> list[registry.BackendInfo]:
    return [registry.get(name) for name in config.backends] or list(registry.backends())


def _exact(config: Any) -> bool:
    return any(info.exact for info in _compared(config))


def _peers(config: Any) -> bool:
    return any(info.package is not None for info in _compared(config))


@dataclass(frozen=True)
class BackendSettings(Settings):
    """What is compared."""

    backends: tuple[str, ...] = ()
    """Backends to compare; none named means every registered one."""
    presets: Annotated[tuple[Preset, ...], Applies("to exact backends alone", _exact, "backends")] = ()
    """Tolerances to ask of every exact backend, as bounds of the relative KKT residual: low 1e-4, mid 1e-6, high 1e-9.
    None named means what each backend promises."""
    variants: bool = True
    """Also measure the backends of other packages as their own users run them."""


@dataclass(frozen=True)
class ProblemSettings(Settings):
    """What they solve."""

    families: tuple[Family, ...] = ("random", "hull")
    """Kinds of made-up problems. random: codewords and latents N(0, 1). hull: codewords N(0, 0.09), latents near convex
    combinations of few of them, as in a trained model."""
    latents: Path | None = None
    """Adds the family latents: the folder of a finished run; a safetensors file with latents (N, F) and codebook
    (K, F); or the folder problems of a run that dumped them, each step a problem of its own."""
    sizes: tuple[tuple[int, int, int], ...] = ((1024, 16, 128), (1024, 64, 512))
    """N F K of the made-up problems: columns, features, codewords. The family latents takes F and K from its file."""
    dtypes: tuple[DType, ...] = ("float64", "float32")
    """Types of the latents and the codebook."""
    lam: Positive = 0.1
    """Regularisation weight; a dumped problem has its own."""
    seed: Whole = 0
    """Of the made-up problems and of the choice among stored latents."""


@dataclass(frozen=True)
class TimingSettings(Settings):
    """How long is measured."""

    repeats: Count = 5
    """Timed repeats in each of two rounds; fewer when they would take a quarter of the time limit."""
    peer_columns: Annotated[Count, Applies("to backends of other packages alone", _peers, "backends")] = 32
    """Columns that a backend of another package solves: most are slow, and times are reported a column."""
    time_limit: Positive = 60.0
    """Seconds for one backend on one problem, start of its process included. What was measured until then is kept."""


@dataclass(frozen=True)
class OutputSettings(Settings):
    """Where the results go."""

    out: Path = Path("runs")
    """Folder in which the new folder is made."""
    name: str | None = None
    """Name of the new folder; one that exists gets a number after it."""
    resume: Path | None = None
    """Folder of an earlier call to go on with."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name is not None:
            check_folder_name(self.name)
        _check_resume(self.resume)


@dataclass(frozen=True)
class CompareConfig(OutputSettings, TimingSettings, ProblemSettings, BackendSettings):
    """The settings of a comparison of backends: every backend on every problem in every dtype, a process each."""

    name: str = "compare"
    """Name of the new folder; one that exists gets a number after it."""
    resume: Path | None = None
    """Folder of an earlier comparison to go on with, with its settings: what it measured is kept, the rest is measured.
    Its lists and its time limit may grow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.backends:
            registry.get(name)
        for name in ("backends", "families", "dtypes", "presets"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {values}, must name each once")
        if not self.dtypes:
            raise ValueError("dtypes is empty, must name at least one")
        if not self.families and self.latents is None:
            raise ValueError("families is empty and latents is not given, must have at least one of the two")
        if not self.sizes or any(min(size) < 1 for size in self.sizes):
            raise ValueError(f"sizes is {self.sizes}, must be one or more (N, F, K), each at least 1")
        refuse_ignored(self)


@dataclass(frozen=True)
class GapConfig(Settings):
    """The settings of paired training runs: the same model, seed and batches with each method in turn."""

    train: CommonConfig = field(default_factory=CommonConfig)
    """What the runs have in common; each takes what applies to it."""
    methods: tuple[Method, ...] = ("exact", "relaxed", "vq", "none")
    """exact: soft convex quantization solved exactly. relaxed: the same by the paper's Algorithm 2. vq: plain vector
    quantization. none: the autoencoder without quantization, an upper bound. They set the
    quantizer; each takes what applies to it of the other settings. Name and out are those of the folder that holds all
    of them, by default runs/gap."""
    resume: Path | None = None
    """Folder of an earlier call to go on with, with its settings: its finished runs are kept as they are, the others
    are trained. Methods, device and data_root may be others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Of a run it has what that run has no use for, once it is another quantizer's.
        object.__setattr__(self, "train", CommonConfig(**vars(self.train)))
        if models.get(self.train.model).kind != "pictures":
            raise ValueError(f"train.model is {self.train.model!r}, must be a model of pictures: gap shows some")
        if not self.methods:
            raise ValueError("methods is empty, must name at least one")
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods is {self.methods}, must name each once")
        if self.train.validation_share:
            raise ValueError(f"train.validation_share is {self.train.validation_share}, must be 0: gap shows the test")
        if self.train.quantizer != "scq":
            raise ValueError(f"train.quantizer is {self.train.quantizer!r}, must be left alone: methods sets it")
        _check_resume(self.resume)
        if self.resume is not None:
            return  # the settings are the folder's, whatever methods are left
        configs = [dataclasses.replace(self.train, quantizer=METHODS[method].quantizer) for method in self.methods]
        unused = [ignored(config) for config in configs]
        for name in unused[0]:
            if all(name in one for one in unused):
                raise ValueError(f"train.{name} is {getattr(self.train, name)!r}, but applies {unused[0][name]}")


@dataclass(frozen=True)
class PlanSettings(Settings):
    """What is asked."""

    plan: str = "relaxation"
    """relaxation (what does the relaxation cost?), quantizers (which quantizer when?), text (does it work beyond
    pictures?), or the path of a TOML file with a plan of your own."""
    quick: bool = False
    """The short version of the plan, which its file has under [quick]."""


@dataclass(frozen=True)
class WorkerSettings(Settings):
    """Where the runs are made, and how many at a time."""

    jobs: Count | None = None
    """Runs at a time; by default as many as there are cores, each with one thread, or one on a GPU."""
    engine: Engine = "local"
    """local: processes on this machine. ray: a Ray cluster, of many machines that see the same folders."""
    minutes: Positive | None = None
    """Starts no further run after so many minutes; resume goes on with the rest."""
    data_root: Path | None = None
    """Folder of the data; otherwise the environment variable SCQ_DATA, otherwise a cache folder."""
    device: str = "auto"
    """auto (a GPU when there is one), cpu, cuda, cuda:1, ..."""


@dataclass(frozen=True)
class StudyConfig(OutputSettings, WorkerSettings, PlanSettings):
    """The settings of a study: a plan, and where it runs. The plan says what is compared, on what, and how often."""

    name: str | None = None
    """Name of the new folder, by default the plan's; one that exists gets a number after it."""
    resume: Path | None = None
    """Folder of an earlier call to go on with, with its plan: its finished runs are kept as they are, the others are
    trained. Jobs, engine, minutes, device and data_root may be others."""


@dataclass(frozen=True)
class DemoConfig(OutputSettings):
    """The settings of the demonstration: paired training runs, the backends on what came out, and the report."""

    name: str = "demo"
    """Name of the new folder; one that exists gets a number after it."""
    resume: Path | None = None
    """Folder of an earlier demonstration to go on with: what is finished is kept."""
    quick: bool = False
    """About a minute instead of at most ten, with models that have learned little."""


def _check_resume(resume: Path | None) -> None:
    if resume is not None and not resume.is_dir():
        raise ValueError(f"resume is '{resume}', must be the folder of an earlier call")
