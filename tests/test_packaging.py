"""What is installed: one package with one name, whatever else lies in the user's project."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SOLVED = """
import torch, scq
from scq import solvers, validation
assert scq.__file__.startswith({place!r}), scq.__file__
solution = solvers.solve(solvers.Problem(torch.randn(20, 4), torch.randn(8, 4)))
assert bool(solution.converged.all())
quantized = scq.SoftConvexQuantizer(8, 4)(torch.randn(20, 4)).quantized
assert validation.CompareConfig().name == "compare"
"""


def _run(folder: Path, *arguments: str, **variables: str) -> str:
    environment = os.environ | {"COLUMNS": "200"} | variables
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _build(kind: str, source: Path, into: Path) -> Path:
    _run(source, "-m", "hatchling", "build", "-t", kind, "-d", str(into))
    (built,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A user's project whose folders and files have the names of our parts."""
    for name in ("solvers", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the project of the user')")
    (tmp_path / "validation.py").write_text("raise ImportError('the project of the user')")
    return tmp_path


def test_the_wheel_takes_one_name(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"scq"}


def test_the_wheel_has_every_file_of_the_three_folders(wheel: Path) -> None:
    kept = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("scq", "solvers", "validation"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".toml", ".html", ".css", ".js"):
                inside = path.relative_to(ROOT).as_posix()
                assert (inside if folder == "scq" else f"scq/{inside}") in kept


def test_the_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = _build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (source,) = (path for path in tmp_path.iterdir() if path.name.startswith("scq-"))
    again = _build("wheel", source, tmp_path / "again")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_a_wheel_installed_elsewhere_works_beside_names_of_its_parts(wheel: Path, crowded: Path) -> None:
    site = crowded / "site"
    _run(crowded, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel))
    _run(crowded, "-c", SOLVED.format(place=str(site)), PYTHONPATH=str(site))
    assert "active_set" in _run(crowded, "-m", "scq", "backends", PYTHONPATH=str(site))


def test_a_checkout_works_beside_names_of_its_parts(crowded: Path) -> None:
    _run(crowded, "-c", SOLVED.format(place=str(ROOT)), PYTHONPATH=str(ROOT))
