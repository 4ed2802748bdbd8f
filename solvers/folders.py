"""Where this package may keep what it can make again."""

import os
import sys
from pathlib import Path


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that there is."""
    return next(one for one in (path, *path.parents) if one.exists())


def cache_folder() -> Path:
    """The user's cache folder for this package, by the custom of the platform; it need not exist.

    Raises:
        RuntimeError: the user has no home folder.
    """
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "scq"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "scq" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scq"
