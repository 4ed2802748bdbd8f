"""torchmetrics' metrics of pictures, whose import fails where a package that it looks for is there and broken."""

import importlib
from importlib import metadata
from pathlib import Path
from typing import Any

_SUSPECTS = ("torchvision", "torch-fidelity", "torchaudio")


def imported(module: str) -> Any:
    """A module of torchmetrics, or of what torchmetrics imports.

    Raises:
        ImportError: naming those of torchvision, torch-fidelity and torchaudio that are installed: on a torch for CPUs
            the wheels of PyPI, which are built for CUDA, break whatever imports them.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError) as error:
        found = ", ".join(f"{name} {version}" for name in _SUSPECTS if (version := _version(name)) is not None)
        if not found:
            raise
        raise ImportError(
            f"{module} cannot be imported: {error}; installed are {found}, which must fit torch {_version('torch')}: "
            "uninstall them, or install the builds of the index that torch is from (--index-url "
            "https://download.pytorch.org/whl/cpu)"
        ) from error


def lpips_heads(net: str) -> Path:
    """The file with the heads of LPIPS, which torchmetrics has in its package."""
    module = imported("torchmetrics.functional.image.lpips")
    return Path(module.__file__).parent / "lpips_models" / f"{net}.pth"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
