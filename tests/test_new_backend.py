"""One file and one entry are a backend: made from docs/backends.md in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import DOCS, ROOT, blocks

NAME = "least_distance"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source tree with the page's file in solvers/methods and the page's entry in solvers/catalog.py."""
    for name in ("solvers", "scq", "validation", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    code = [block.text for block in blocks(DOCS / "backends.md", "python")]
    (file,) = (text for text in code if "def solve(" in text)
    (entry,) = (text for text in code if "solvers.register(" in text)
    (tmp_path / "solvers" / "methods" / f"{NAME}.py").write_text(file)
    entry = entry.removeprefix("from scq import solvers\n\n").replace("solvers.", "")
    assert "run=solve," in entry
    entry = entry.replace("run=solve,", f'run="scq.solvers.methods.{NAME}:solve",')
    with (tmp_path / "solvers" / "catalog.py").open("a") as catalog:
        catalog.write(entry)
    return tmp_path


def _run(copy: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(copy), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_backend_of_the_page_is_listed_documented_and_solves(copy: Path) -> None:
    listed = _run(copy, "-m", "scq", "backends")
    assert f"\n{NAME} " in listed
    code = (
        "import sys\n"
        "import torch\n"
        "from scq import solvers\n"
        "sys.path.append('tests/helpers')\n"
        "from registry_tables import markdown\n"
        "print(markdown(solvers.backends()))\n"
        "problem = solvers.Problem(torch.randn(20, 4), torch.randn(10, 4))\n"
        f"found, exact = solvers.solve(problem, '{NAME}'), solvers.solve(problem, 'interior_point')\n"
        "assert (found.weights - exact.weights).abs().max() < 1e-5\n"
    )
    assert f"| `{NAME}` | SciPy's non-negative least squares" in _run(copy, "-c", code)


@pytest.mark.slow
def test_the_backend_of_the_page_passes_the_conformance_suite(copy: Path) -> None:
    shown = _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/solvers/test_conformance.py", "-k", NAME)
    assert re.search(r"\b3\d passed", shown)
