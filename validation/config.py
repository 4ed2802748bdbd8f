"""What the studies are told: the command line is made from these classes. Imports no torch."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from scq.quantizers import registry as quantizers
from scq.training.config import TrainConfig
from solvers import registry
from validation.presets import PRESETS

Family = Literal["random", "hull"]
DType = Literal["float32", "float64"]
Preset = Literal["low", "mid", "high"]
Tune = Literal["each", "first", "off"]
Method = Literal["exact", "relaxed", "vq", "none"]

_SET_BY_STUDY = {
    "quantizer": "quantizers",
    "data": "datasets",
    "codebook_size": "sizes",
    "latents_offset": "stress_offset",
    "validation_share": "tune",
}


@dataclass(frozen=True)
class CompareConfig:
    """The settings of a comparison of backends: every backend on every problem in every dtype, a process each."""

    backends: tuple[str, ...] = ()
    """Backends to compare; none named means every registered one."""
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
    presets: tuple[Preset, ...] = ()
    """Tolerances to ask of every exact backend, as bounds of the relative KKT residual: low 1e-4, mid 1e-6, high 1e-9.
    None named means what each backend promises."""
    variants: bool = True
    """Also measure the backends of other packages as their own users run them."""
    lam: float = 0.1
    """Regularisation weight; a dumped problem has its own."""
    repeats: int = 5
    """Timed repeats, of which the median counts; fewer when they would take a quarter of the time limit."""
    peer_columns: int = 32
    """Columns that a backend of another package solves: most are slow, and times are reported a column."""
    time_limit: float = 60.0
    """Seconds for one backend on one problem, start of its process included. What was measured until then is kept."""
    seed: int = 0
    """Of the made-up problems and of the choice among stored latents."""
    out: Path = Path("runs")
    """Folder in which the new folder is made."""
    name: str = "compare"
    """Name of the new folder; one that exists gets a number after it."""
    resume: Path | None = None
    """Folder of an earlier comparison to go on with: what it measured is kept, the rest is measured."""

    def __post_init__(self) -> None:
        for name in self.backends:
            registry.get(name)
        _check_among("presets", self.presets, tuple(PRESETS))
        for name in ("backends", "families", "dtypes", "presets"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {values}, must name each once")
        _check_among("families", self.families, get_args(Family))
        _check_among("dtypes", self.dtypes, get_args(DType))
        if not self.dtypes:
            raise ValueError("dtypes is empty, must name at least one")
        if not self.families and self.latents is None:
            raise ValueError("families is empty and latents is not given, must have at least one of the two")
        if not self.sizes or any(len(size) != 3 or min(size) < 1 for size in self.sizes):
            raise ValueError(f"sizes is {self.sizes}, must be one or more (N, F, K), each at least 1")
        for name in ("repeats", "peer_columns"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        for name in ("lam", "time_limit"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, must be finite and > 0")
        _check_folder_name(self.name)
        _check_resume(self.resume)


@dataclass(frozen=True)
class GapConfig:
    """The settings of paired training runs: the same model, seed and batches with each method in turn."""

    train: TrainConfig = field(default_factory=TrainConfig)
    """What the runs have in common. Its quantizer is set by the method; its out and name are those of the folder that
    holds all of them, by default runs/gap."""
    methods: tuple[Method, ...] = ("exact", "relaxed", "vq", "none")
    """exact: soft convex quantization solved exactly. relaxed: the same by the paper's Algorithm 2. vq: plain vector
    quantization. none: the autoencoder without quantization, an upper bound."""
    resume: Path | None = None
    """Folder of an earlier call to go on with: its finished runs are kept as they are, the others are trained."""

    def __post_init__(self) -> None:
        _check_among("methods", self.methods, get_args(Method))
        if not self.methods:
            raise ValueError("methods is empty, must name at least one")
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods is {self.methods}, must name each once")
        if self.train.validation_share:
            raise ValueError(f"train.validation_share is {self.train.validation_share}, must be 0: gap shows the test")
        if self.train.quantizer != "scq":
            raise ValueError(f"train.quantizer is {self.train.quantizer!r}, must be left alone: methods sets it")
        _check_resume(self.resume)


@dataclass(frozen=True)
class StudyConfig:
    """The settings of a study of quantizers: each on every data set at every codebook size, tuned with the same small
    grid and then run over fresh seeds; and a test of what recovers from a collapsed start."""

    train: TrainConfig = field(default_factory=TrainConfig)
    """What the runs have in common. Its quantizer, data and codebook_size are set by the lists below; the gap is not
    measured; its out and name are those of the folder that holds all runs, by default runs/study."""
    quantizers: tuple[str, ...] = ()
    """Quantizers to compare, of those that scq quantizers lists; none named means every one."""
    datasets: tuple[str, ...] = ("photos",)
    """Data sets: photos, cifar10."""
    sizes: tuple[int, ...] = (128, 1024)
    """Codebook sizes K."""
    seeds: int = 3
    """Fresh seeds of the final runs: seed + 1, seed + 2, ...; seed itself is that of the tuning and the stress test."""
    tune: Tune = "each"
    """Where settings are chosen, by the MSE of a validation split of the training pictures. each: for every data set
    and size. first: for the first data set and size, and taken for all. off: nowhere."""
    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    """Learning rates to try."""
    weight_factors: tuple[float, ...] = (0.25, 1.0, 4.0)
    """Multiples of the quantizer's weight in the loss to try: of regularizer_weight, else commitment_weight, else
    quantization_weight, whichever it has first."""
    stress_size: int = 4096
    """Codebook size of the stress test, which starts with all codewords far from the data; 0 leaves it out."""
    stress_offset: float = 5.0
    """How far: standard deviations of the latents, in every channel."""
    stress_steps: int | None = None
    """Steps of the stress test; by default as many as of the other runs."""
    minutes: float | None = None
    """Starts no further run after so many minutes; resume goes on with the rest."""
    resume: Path | None = None
    """Folder of an earlier call to go on with: its finished runs are kept as they are, the others are trained."""

    def __post_init__(self) -> None:
        for name in self.quantizers:
            quantizers.get(name)
        for name in ("quantizers", "datasets", "sizes", "learning_rates", "weight_factors"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {values}, must name each once")
            if not values and name != "quantizers":
                raise ValueError(f"{name} is empty, must name at least one")
        _check_among("tune", (self.tune,), get_args(Tune))
        if min(self.sizes) < 1:
            raise ValueError(f"sizes is {self.sizes}, must be at least 1 each")
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}, must be at least 1")
        for name in ("learning_rates", "weight_factors"):
            values = getattr(self, name)
            if not all(math.isfinite(value) and value > 0 for value in values):
                raise ValueError(f"{name} is {values}, must be finite and > 0 each")
        if self.stress_size < 0:
            raise ValueError(f"stress_size is {self.stress_size}, must be >= 0")
        if self.stress_steps is not None and self.stress_steps < 1:
            raise ValueError(f"stress_steps is {self.stress_steps}, must be at least 1")
        if not math.isfinite(self.stress_offset):
            raise ValueError(f"stress_offset is {self.stress_offset}, must be finite")
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"minutes is {self.minutes}, must be > 0")
        for name, by in _SET_BY_STUDY.items():
            value = getattr(self.train, name)
            if value != getattr(TrainConfig, name):
                raise ValueError(f"train.{name} is {value!r}, must be left alone: {by} sets it")
        _check_resume(self.resume)


@dataclass(frozen=True)
class DemoConfig:
    """The settings of the demonstration: paired training runs, the backends on what came out, and the report."""

    quick: bool = False
    """About a minute instead of at most ten, with models that have learned little."""
    out: Path = Path("runs")
    """Folder in which the new folder is made."""
    name: str = "demo"
    """Name of the new folder; one that exists gets a number after it."""

    def __post_init__(self) -> None:
        _check_folder_name(self.name)


def _check_among(name: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    for value in values:
        if value not in known:
            raise ValueError(f"{name} has {value!r}, must be among: {', '.join(known)}")


def _check_folder_name(name: str) -> None:
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"name is {name!r}, must be the name of one folder, without a path")


def _check_resume(resume: Path | None) -> None:
    if resume is not None and not resume.is_dir():
        raise ValueError(f"resume is '{resume}', must be the folder of an earlier call")
