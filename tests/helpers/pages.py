"""The pages of the documentation and the README: their code blocks and the commands in them."""

import importlib.util
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from scq.cli.commands import COMMANDS
from scq.cli.parsing import parse

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("**/*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LANGUAGES = ("python", "sh", "toml", "json", "text")
"""``sh`` is for commands to be typed, ``text`` for what a program prints."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    where: str
    """Page and line."""


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The fenced code blocks of a page, in order; of one language, or all."""
    content, found = page.read_text(), []
    for match in _FENCE.finditer(content):
        line = content[: match.start()].count("\n") + 1
        found.append(Block(match["language"], match["text"], f"{page.relative_to(ROOT)}:{line}"))
    return [block for block in found if language in (None, block.language)]


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """Every command of the ``sh`` blocks: where it stands, and its words, without comments and variables before it."""
    found = []
    for block in blocks(page, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words:
                found.append((block.where, words))
    return found


def check_command(words: list[str]) -> None:
    """Fails when the command would be refused as it is written; nothing is run.

    Raises:
        ValueError: by the command line itself, when it does not know an option.
    """
    program, *rest = words
    if program == "scq":
        parse(COMMANDS, rest)
    elif program in ("accelerate", "torchrun"):
        # What comes before is theirs; from -m on it is a module of ours with its own command line.
        module = rest.index("-m")
        assert rest[module + 1] == "scq", words
        parse(COMMANDS, rest[module + 2 :])
    elif program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert rest and set(rest) <= set(targets), words
    elif program == "pytest":
        markers = {line.partition(":")[0] for line in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
        assert not rest or (rest[0] == "-m" and rest[1] in markers), words
    elif program == "pip":
        assert rest[0] == "install", words
        for what in rest[1:]:
            extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", what)
            assert extras, words
            assert set((extras[1] or "dev").split(",")) <= PROJECT["project"]["optional-dependencies"].keys(), words
    elif program in ("python", "python3"):
        assert rest[0] == "-m" and importlib.util.find_spec(rest[1]), words
    else:
        pytest.fail(f"{' '.join(words)}: say in tests/helpers/pages.py how a command like this is checked")
