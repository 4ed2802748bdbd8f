"""What an installation may be without: the extras ``train`` and ``report``. Imports no torch."""

import importlib.util

EXTRAS = {
    "train": (
        "accelerate",
        "PIL",
        "rich",
        "safetensors",
        "skimage",
        "sklearn",
        "tensorboard",
        "torchmetrics",
        "tyro",
    ),
    "report": ("jinja2", "matplotlib", "psutil"),
}
"""The packages of each, as they are imported."""


class MissingExtraError(ImportError):
    """An extra of scq is not installed; the message has the command that installs it."""


def missing(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [package for package in EXTRAS[extra] if importlib.util.find_spec(package) is None]


def need(*extras: str) -> None:
    """Asks for extras, before anything of them is imported.

    Raises:
        MissingExtraError: some are not installed, or not all of their packages; the message names both.
    """
    lacking = {extra: packages for extra in extras if (packages := missing(extra))}
    if lacking:
        packages = ", ".join(name for names in lacking.values() for name in names)
        raise MissingExtraError(f'not installed: {packages}; run: pip install "scq[{",".join(lacking)}]"')
