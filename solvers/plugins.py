"""What users bring: modules that they name, and entry points of packages that they installed. Imports no torch.

A module registers its entries as it is imported. It is named by the environment variable SCQ_IMPORT, which the
processes that this one starts inherit, and which ``scq COMMAND --import MODULE`` sets. No file that is read names one.
"""

import importlib
import logging
import multiprocessing
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VARIABLE = "SCQ_IMPORT"
"""The modules, with commas between them."""


def named() -> list[str]:
    """The modules that the user named."""
    return [name for part in os.environ.get(VARIABLE, "").split(",") if (name := part.strip())]


def name_modules(modules: Sequence[str]) -> None:
    """Adds modules to those that the user named, for this process and those that it starts, and imports them.

    Raises:
        ValueError: one cannot be imported.
    """
    os.environ[VARIABLE] = ",".join(dict.fromkeys((*named(), *modules)))
    import_named()


def import_named() -> None:
    """Imports the modules that the user named, which may lie in the current folder.

    Raises:
        ValueError: one cannot be imported; the message has what it raised, and where.
    """
    modules = named()
    here = str(Path.cwd())
    if modules and not {"", here} & set(sys.path):
        sys.path.append(here)  # the last, so that no file there takes the place of an installed package
    for module in modules:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f"import is {module!r}, must be the name of a module, as in import my_module")
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"import is {module!r} (by --import or {VARIABLE}), which cannot be imported: {_said(error)}"
            ) from error


def points(group: str) -> "list[EntryPoint]":
    """The entry points of a group, each once, in an order that does not hang on the installation."""
    from importlib.metadata import entry_points  # slow to import, and seldom needed

    # A package that is installed twice, as a checkout and from an index, is listed twice.
    return sorted({(point.name, point.value): point for point in entry_points(group=group)}.values())


def blame(point: "EntryPoint", error: BaseException) -> str:
    """Says once, in the process that the user started, that an entry point is left out, and returns why."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package without a name"
    why = f"{package} has it in {point.value}: {_said(error)}"
    if multiprocessing.parent_process() is None:
        logging.getLogger("scq").warning("%s of %s is left out: %s", point.name, point.group, why)
    return why


def packages() -> dict[str, str]:
    """The versions of the installed packages that bring something, by their names."""
    return {point.dist.name: point.dist.version for group in _GROUPS for point in points(group) if point.dist}


_GROUPS = ("scq.backends", "scq.quantizers", "scq.datasets", "scq.models")


def _said(error: BaseException) -> str:
    """An exception in one line, with the line of the user's file that it came from."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _of_a_user(frame.filename)]
    return f"{said} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else said


def _of_a_user(file: str) -> bool:
    return not file.startswith("<") and Path(file).resolve() not in (Path(__file__).resolve(), _IMPORTLIB)


_IMPORTLIB = Path(importlib.__file__).resolve()
