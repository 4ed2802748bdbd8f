"""The example's backend, quantizers, data set and model in this process, and what they were taken out of again."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scq import data, models, quantizers, solvers
from scq.solvers import plugins

EXAMPLES = Path(__file__).parents[2] / "examples"

_NAMES = {solvers: ("nnls",), quantizers: ("sign", "cosine_rotation"), data: ("gratings",), models: ("patches",)}


@contextmanager
def importable() -> Iterator[None]:
    """Where ``--import own_parts`` finds the module; at the end nothing of it is left, as in a new process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        patch.setenv(plugins.VARIABLE, "")
        yield
    if sys.modules.pop("own_parts", None):
        for registry, names in _NAMES.items():
            for name in names:
                registry.unregister(name)
