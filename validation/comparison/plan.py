"""What a comparison measures: its cells, in order, each known by a key."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scq import solvers
from scq.solvers.registry import BackendInfo, get
from scq.validation.comparison.measuring.families import ProblemSpec, read_about, read_latents
from scq.validation.comparison.measuring.presets import PRESETS
from scq.validation.comparison.rows import Row
from scq.validation.config import CompareConfig


@dataclass(frozen=True)
class PlannedRow:
    """One backend, in one way, on one problem.

    Attributes:
        info: the backend.
        variant: one of the names of ``info.variants``; empty for the settings that are ours.
        preset: one of the names of :data:`scq.validation.comparison.measuring.presets.PRESETS`; empty where the
            backend's promise is the tolerance, or where there is none.
        spec: the problem.
    """

    info: BackendInfo
    variant: str
    preset: str
    spec: ProblemSpec

    @property
    def tol(self) -> float | None:
        """The relative KKT residual that is asked for; of a variant, what is asked of the backend with our settings."""
        return PRESETS[self.preset] if self.preset else self.info.accuracy.get(self.spec.dtype)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of ``solvers.solve``. What a variant returns is taken as it is, as its users take it."""
        if self.variant:
            return {"tol": math.inf} | dict(self.info.variants[self.variant])
        return {"tol": self.tol} | (dict(self.info.follow_tol) if self.preset else {})

    @property
    def curved(self) -> bool:
        """Whether its convergence by iteration is measured: in one arithmetic, with our settings, once a problem."""
        return self.spec.dtype == "float64" and not self.variant

    @property
    def row(self) -> dict[str, Any]:
        """The fields of its :class:`scq.validation.comparison.rows.Row` that are known before anything is measured."""
        spec = dataclasses.asdict(self.spec)
        known = ("family", "dtype", "lam", "columns", "features", "codewords", "step")
        cell = {"backend": self.info.name, "variant": self.variant, "preset": self.preset, "tol": self.tol}
        return cell | {name: spec[name] for name in known}


KEY = ("backend", "variant", "preset", "family", "dtype", "lam", "columns", "features", "codewords", "step")


def key(row: dict[str, Any] | Row) -> tuple[Any, ...]:
    """What tells a cell, or its row, from the others of a comparison."""
    values = row if isinstance(row, dict) else vars(row)
    return tuple(values[name] for name in KEY)


def cells(config: CompareConfig, sources: Sequence[Path]) -> Iterator[PlannedRow]:
    """The cells of a comparison, problem by problem.

    Args:
        config: the settings.
        sources: the safetensors files of the family latents.

    Raises:
        ValueError: a file that cannot be read.
    """
    infos = [get(name) for name in config.backends] or solvers.backends()
    for spec in _problems(config, sources):
        for dtype in config.dtypes:
            for info in infos:
                columns = spec.columns if info.package is None else min(spec.columns, config.peer_columns)
                problem = dataclasses.replace(spec, columns=columns, dtype=dtype)
                for preset in (config.presets if info.exact else ()) or ("",):
                    yield PlannedRow(info, "", preset, problem)
                for variant in info.variants if config.variants else ():
                    yield PlannedRow(info, variant, "", problem)


def _problems(config: CompareConfig, sources: Sequence[Path]) -> Iterator[ProblemSpec]:
    for family in config.families:
        for columns, features, codewords in config.sizes:
            yield ProblemSpec(family, columns, features, codewords, "", config.lam, config.seed)
    for source in sources:
        latents, codebook = read_latents(source)
        lam, step = read_about(source)
        lam = config.lam if lam is None else lam
        for columns in sorted({min(size[0], latents.shape[0]) for size in config.sizes}):
            yield ProblemSpec(
                "latents", columns, latents.shape[1], codebook.shape[0], "", lam, config.seed, str(source), step
            )
