"""Where data sets are looked for."""

import os
from dataclasses import dataclass
from pathlib import Path

from scq.solvers.folders import cache_folder

ENVIRONMENT_VARIABLE = "SCQ_DATA"


@dataclass(frozen=True)
class DataRoot:
    """A place to look in, and why there, for the error message when nothing is found."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} ({self.reason})"


def find_root(root: Path | None) -> DataRoot:
    """``root`` when given, else the environment variable SCQ_DATA, else the cache folder of this platform.

    Raises:
        FileNotFoundError: when a place that the user named does not exist. The cache folder may be missing.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if root is not None:
        found = DataRoot(root.expanduser(), "the data root given")
    elif named:
        found = DataRoot(Path(named).expanduser(), f"the environment variable {ENVIRONMENT_VARIABLE}")
    else:
        return DataRoot(cache_folder(), "the default")
    if not found.path.exists():
        raise FileNotFoundError(f"data root {found} does not exist")
    return found
