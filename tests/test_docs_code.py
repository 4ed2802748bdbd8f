"""Every code block of the documentation: Python runs, commands are what the command line takes."""

import dataclasses
import re
from pathlib import Path

import pytest
from own_parts_here import importable
from pages import LANGUAGES, PAGES, ROOT, blocks, check_command, commands

from scq import quantizers, solvers
from scq.cli import main
from scq.training import TrainConfig
from scq.training.run import Run
from scq.validation.common.files import write_json
from scq.validation.comparison.earlier import JSON as COMPARISON
from scq.validation.config import CompareConfig

WITH_COMMANDS = [page for page in PAGES if commands(page)]
QUICK = {tuple(words) for page in PAGES for _, words in commands(page) if words[1:] in (["backends"], ["quantizers"])}


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def nothing_left():
    """Pages register backends and quantizers of their own."""
    registries = [registry.REGISTRY for registry in (solvers.registry, quantizers.registry)]
    before = [{info.name for info in registry.entries()} for registry in registries]
    yield
    for registry, names in zip(registries, before, strict=True):
        for info in registry.entries():
            if info.name not in names:
                registry.unregister(info.name)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_names_its_language(page: Path) -> None:
    unknown = [block.where for block in blocks(page) if block.language not in LANGUAGES]
    assert not unknown, f"begin these blocks with ``` and one of {LANGUAGES}"


# Of Lightning, about small runs, and about torch.
@pytest.mark.filterwarnings("ignore:.*(many workers|logging interval)", "ignore:.*isinstance.treespec, LeafSpec")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=_name)
def test_python_on_the_page_runs_from_top_to_bottom(
    page: Path, nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for package in ("vector_quantize_pytorch", "diffusers", "transformers", "lightning"):
        if re.search(rf"^(from|import) {package}\b", page.read_text(), re.MULTILINE):
            pytest.importorskip(package)
    scope: dict = {"__name__": "page"}
    for block in blocks(page, "python"):
        exec(compile(block.text, block.where, "exec"), scope)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=_name)
def test_commands_on_the_page_are_understood(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_a_user: None
) -> None:
    monkeypatch.chdir(tmp_path)
    for where, words in commands(page):
        for word in words:
            if word.startswith("runs/"):  # what an earlier command on the page has left
                folder = Path(word).parent if Path(word).suffix else Path(word)
                folder.mkdir(parents=True, exist_ok=True)
                Run(folder).write_config(TrainConfig())
                write_json(folder / COMPARISON, {"config": dataclasses.asdict(CompareConfig())})
        try:
            with importable():
                check_command(words)
        except ValueError as error:
            pytest.fail(f"{where}: {' '.join(words)}: {error}")


@pytest.mark.parametrize(
    "words",
    [
        ["scq", "train", "--stepz", "3"],
        ["scq", "trian"],
        ["make", "tests"],
        ["pytest", "-m", "quick"],
        ["pip", "install", ".[all]"],
    ],
    ids=" ".join,
)
def test_a_command_that_no_longer_exists_is_noticed(words: list[str], as_a_user: None) -> None:
    with pytest.raises((ValueError, AssertionError)):
        check_command(words)


@pytest.mark.parametrize("words", sorted(QUICK), ids=" ".join)
def test_quick_commands_end_well(words: tuple[str, ...]) -> None:
    assert main(words[1:]) == 0
