"""The registry of solver backends: one frozen entry each, capabilities as data.

This module imports neither torch nor any backend, so that listing what is there takes milliseconds. The documentation
table, the command line's listing and the conformance tests are generated from these entries.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from scq.solvers.entries import Registry
from scq.solvers.errors import BackendMissingError

GRADIENTS = ("implicit", "native", "none")

DEFAULT_BACKEND = "active_set"
"""The backend wherever none is named."""


@dataclass(frozen=True)
class BackendInfo:
    """One solver backend: what it is, what it can do, and where its code lives.

    Args:
        name: the name that ``solve(problem, backend=name)`` takes.
        title: one line for people.
        run: the function that solves, either the callable itself or ``"module:function"``, imported only when the
            backend is asked for. Its contract is in :mod:`scq.solvers.instance`.
        exact: True when it solves Eq. 7 of arXiv 2310.03004; False for a relaxation of it.
        batched: True when all columns are solved together, False when they are solved one after the other.
        devices: torch device types that it computes on. Other devices are refused, never copied silently.
        dtypes: floating-point types that it computes in, as ``"float32"``. An input of another type is solved in the
            narrowest of these that is at least as wide, and the output is cast back.
        gradient: the gradients it offers, the default one first: ``"implicit"`` (the shared implicit differentiation),
            ``"native"`` (the backend's own derivative).
        accuracy: the relative KKT residual that it promises, per input dtype; the default of ``tol``. A relaxation
            promises none.
        package: the import name of the package it needs, or None.
        install: the exact command that installs that package.
        citation: whom to cite.
        limits: conformance checks that this backend fails, each with the reason. The suite expects them to fail.
        variants: other ways to run it, each by its name: keyword arguments of ``solvers.solve``. For a package they are
            those that its own users start from; a comparison shows them beside ours.
        follow_tol: the options with which ``tol`` decides the accuracy alone, also where it asks for less than the
            backend gives by default. For a comparison at several tolerances.
    """

    name: str
    title: str
    run: str | Callable[..., Any]
    exact: bool = True
    batched: bool = True
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ("float64",)
    gradient: tuple[str, ...] = ("implicit",)
    accuracy: Mapping[str, float] = field(default_factory=dict)
    package: str | None = None
    install: str | None = None
    citation: str = ""
    limits: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    follow_tol: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name is {self.name!r}, must be a Python identifier")
        if not self.dtypes or not self.devices or not self.gradient:
            raise ValueError(f"backend {self.name!r}: dtypes, devices and gradient must each have at least one entry")
        for gradient in self.gradient:
            if gradient not in GRADIENTS:
                raise ValueError(f"gradient has {gradient!r}, must be among {GRADIENTS}")
        if self.exact and not {"float32", "float64"} <= set(self.accuracy):
            raise ValueError(f"accuracy is {dict(self.accuracy)}, an exact backend must promise float32 and float64")
        # Entries are shared by everyone in the process: nobody may change one in place.
        for name in ("accuracy", "limits", "variants", "follow_tol"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def available(self) -> bool:
        """True when the package it needs is installed; whether it works is what ``scq backends`` tries."""
        return self.package is None or importlib.util.find_spec(self.package) is not None

    @property
    def why_not(self) -> str | None:
        """What is missing and the command that installs it; None when available."""
        return None if self.available else f"the package {self.package!r} is not installed; run: {self.install}"

    def check_asked(self, tol: float | None, max_iter: int | None, gradient: str | None) -> None:
        """What may be asked of every call of this backend, as :func:`scq.solvers.solve` takes it.

        Raises:
            ValueError: naming the argument, what it was and what it must be.
        """
        if tol is not None and not tol > 0:
            raise ValueError(f"tol is {tol}, must be > 0")
        if max_iter is not None and (not isinstance(max_iter, int) or isinstance(max_iter, bool) or max_iter < 1):
            raise ValueError(f"max_iter is {max_iter!r}, must be an integer >= 1")
        for name, value in (("tol", tol), ("max_iter", max_iter)):
            if value is not None and not self.exact:
                raise ValueError(f"{name} is {value}, but applies to exact backends alone (backend is {self.name!r})")
        offered = (*self.gradient, "none")
        if gradient is not None and gradient not in offered:
            known = "" if gradient in GRADIENTS else f" (gradients are {', '.join(GRADIENTS)})"
            raise ValueError(f"gradient is {gradient!r}, backend {self.name!r} offers: {', '.join(offered)}{known}")

    def check_available(self) -> None:
        """Asks for the package that it needs.

        Raises:
            BackendMissingError: when that is not installed; the message has the install command.
        """
        if not self.available:
            raise BackendMissingError(f"backend {self.name!r}: {self.why_not}")

    def load(self) -> Callable[..., Any]:
        """The function that solves, imported now.

        Raises:
            BackendMissingError: the package that it needs is not installed, or cannot be imported.
        """
        self.check_available()
        if callable(self.run):
            return self.run
        module, function = self.run.split(":")
        try:
            return getattr(importlib.import_module(module), function)
        except Exception as error:
            if self.package is None:
                raise
            # Whatever it is: packages that do not fit each other raise AttributeError and others as well.
            raise BackendMissingError(
                f"backend {self.name!r}: the package {self.package!r} is installed, but cannot be imported "
                f"({type(error).__name__}: {error}); run: {self.install}"
            ) from error


REGISTRY = Registry("backend", BackendInfo, "scq.backends")


def register(info: BackendInfo) -> BackendInfo:
    """Adds a backend, so that ``solve(problem, backend=info.name)`` finds it.

    Raises:
        TypeError: when ``info`` is not a :class:`BackendInfo`.
        ValueError: when the name is taken.
    """
    return REGISTRY.register(info)


def unregister(name: str) -> None:
    """Takes a backend out again, for tests and notebooks.

    Raises:
        ValueError: when there is no such backend.
    """
    REGISTRY.unregister(name)


def backends() -> tuple[BackendInfo, ...]:
    """Every backend: ours, those of installed packages, and those that were registered."""
    return REGISTRY.entries()


def get(name: str) -> BackendInfo:
    """The entry of that name.

    Raises:
        ValueError: when there is none; the message lists the known names.
    """
    return REGISTRY.get(name)
