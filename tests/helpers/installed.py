"""Environments elsewhere in which a wheel of ours is installed, with as many of its dependencies as it shall have."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def environment(folder: Path, wheel: Path, packages: Path) -> Path:
    """A new virtual environment that has the wheel, and what lies in ``packages``; the folder of its programs."""
    done = subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], timeout=110)
    assert done.returncode == 0
    programs = folder / "bin"
    install = ["-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-deps", wheel]
    said(folder, Path(sys.executable), *install)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "shared.pth").write_text(f"{packages}\n")
    return programs


def said(folder: Path, program: Path, *arguments: str | Path, code: int = 0, timeout: int = 110) -> str:
    """What a program prints that is run in a folder, and which must end with that code."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"COLUMNS": "200"}
    command = [program, *arguments]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def everything() -> Path:
    """The folder of the packages that the tests run with."""
    return Path(str(metadata.distribution("torch").locate_file("")))


def linked(folder: Path, requirements: list[str]) -> Path:
    """``folder``, with links to these packages as they are installed here, and to all that they need, and no others."""
    folder.mkdir()
    wanted, seen = [Requirement(line) for line in requirements], set()
    while wanted:
        requirement = wanted.pop()
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        distribution = metadata.distribution(requirement.name)
        for name in {path.parts[0] for path in distribution.files or ()} - {"..", "__pycache__"}:
            if not (folder / name).exists():  # setuptools shares one with others
                (folder / name).symlink_to(str(distribution.locate_file(name)))
        wanted += [Requirement(line) for line in distribution.requires or ()]
    return folder
