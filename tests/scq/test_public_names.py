"""The names that ``scq`` offers, and what importing it costs."""

import subprocess
import sys

import pytest

import scq


@pytest.mark.parametrize("name", scq.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(scq, name) is not None
    assert name in dir(scq)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'scq' has no attribute 'Quantiser'"):
        _ = scq.Quantiser  # pyrefly: ignore


def test_import_loads_no_torch() -> None:
    code = (
        "import sys\nfrom scq import solvers, validation\nprint(*({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == []
