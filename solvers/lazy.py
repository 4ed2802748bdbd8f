"""Names of a package that are imported when they are first used."""

import importlib
from collections.abc import Mapping
from typing import Any


def offered(package: str, modules: Mapping[str, str], name: str) -> Any:
    """What a package offers by that name; for its ``__getattr__``.

    Args:
        package: for the message.
        modules: by name, the module that it is in.
        name: that was asked for.

    Raises:
        AttributeError: it offers no such name.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(importlib.import_module(modules[name]), name)
