"""The bounds of the dependencies: every one has two, the lower one was tried, and what is imported is declared."""

import ast
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from scq.extras import EXTRAS as MODULES
from scq.training.environment import environment

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    Requirement(line) for line in (*PROJECT["dependencies"], *(r for extra in EXTRAS.values() for r in extra))
]
NAMES = {canonicalize_name(requirement.name) for requirement in REQUIREMENTS}
USED = ("train", "report", "peers", "ray", "vqgan", "prior", "lightning", "lsun", "speech", "pesq", "rl")
"""The extras that the code imports; the others are tools."""
each = pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)


def pinned(file: str) -> dict[str, Version]:
    """The exact versions of a constraints file."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    pairs = [line.split("==") for line in lines if line]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def bound(requirement: Requirement, operator: str) -> Version:
    (found,) = (s.version for s in requirement.specifier if s.operator == operator)
    return Version(found)


@each
def test_there_is_a_lower_and_an_upper_bound(requirement: Requirement) -> None:
    assert bound(requirement, ">=") < bound(requirement, "<")


@each
def test_the_lower_bound_is_the_version_that_was_tried(requirement: Requirement) -> None:
    tried = pinned("constraints-lowest.txt").get(canonicalize_name(requirement.name))
    assert tried == bound(requirement, ">="), "try it with `make lowest`, then write it into constraints-lowest.txt"


@each
def test_the_version_of_every_day_is_within_the_bounds(requirement: Requirement) -> None:
    everyday = pinned("constraints.txt").get(canonicalize_name(requirement.name))
    assert everyday is not None, "write the version that was tried into constraints.txt"
    assert everyday in requirement.specifier


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-lowest.txt"])
def test_constraints_name_nothing_that_is_not_asked_for(file: str) -> None:
    assert pinned(file).keys() - NAMES == set()


def _imported(package: str) -> set[str]:
    """The packages, by their import names, that the modules of a package of ours import somewhere."""
    found = set()
    for path in (ROOT / package).glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"scq"}


@pytest.mark.parametrize("extra", MODULES)
def test_the_error_of_a_missing_extra_names_all_of_its_packages(extra: str) -> None:
    owners = metadata.packages_distributions()
    asked_for = {canonicalize_name(Requirement(line).name) for line in EXTRAS[extra]}
    assert {canonicalize_name(owner) for name in MODULES[extra] for owner in owners[name]} == asked_for


def test_what_is_imported_is_declared() -> None:
    """Also where another dependency happens to bring it."""
    owners = metadata.packages_distributions()
    ours = {
        canonicalize_name(Requirement(line).name)
        for line in (*PROJECT["dependencies"], *(line for name in USED for line in EXTRAS[name]))
    }
    ours |= {"qpth", "llvmlite"}  # installed apart, because it declares numpy<2; of the one version that numba wants
    ours |= {"triton"}  # which torch for a GPU brings, of the one version that it wants
    imported = set.union(*map(_imported, ("solvers", "scq", "validation")))
    undeclared = {
        name for name in imported if name in owners and not ours & {canonicalize_name(owner) for owner in owners[name]}
    }
    assert undeclared == set()


def test_a_run_records_every_package_that_solves() -> None:
    """Otherwise times of two versions are compared as if they were of one."""
    solving = {Requirement(line).name for line in (*PROJECT["dependencies"], *EXTRAS["peers"])} - {"jaxtyping"}
    assert solving - environment(torch.device("cpu"))["packages"].keys() == set()
