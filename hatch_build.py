"""The description of the package index: the README, with links and pictures that lead to the repository from there."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_FILES = "https://github.com/scq-toolkit/scq/blob/main/"
_PICTURES = "https://raw.githubusercontent.com/scq-toolkit/scq/main/"


class Description(MetadataHookInterface):
    """Called by hatchling when it builds."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text)}


def absolute(text: str) -> str:
    """Markdown whose relative links are addresses."""
    pictures = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{_PICTURES}", text)
    return re.sub(r"(?<!!)(\[[^]]*\]\()(?!https?:|#)", rf"\1{_FILES}", pictures)
