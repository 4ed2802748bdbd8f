"""What contributors are told is so: the files that pages name are there, and one version stands everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["CONTRIBUTING.md", "docs/architecture.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_on_the_page_exists(page: str) -> None:
    paths = re.findall(r"`((?:scq|solvers|validation)/[\w/.]*)`", (ROOT / page).read_text())
    assert paths
    # NAME is that of what is to be added.
    assert [path for path in paths if not (ROOT / re.sub(r"NAME\.py$", "", path)).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_that_is_linked_exists(page: str) -> None:
    linked = re.findall(r"\]\(((?!https?:)[^)#]+)", (ROOT / page).read_text())
    assert linked
    assert [path for path in linked if not ((ROOT / page).parent / path).exists()] == []


def test_the_version_is_the_newest_of_the_changelog_and_the_one_to_cite() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    dated = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert dated[0][0] == version
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^(?:version|date-released): (.*)$", citation, re.MULTILINE) == list(dated[0])
