"""Writing results so that a reader never finds half a file, and reading them back."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scq.training.reading import parse_json, read_text


def write_text(path: Path, text: str) -> None:
    """Replaces the file as a whole: whoever reads it, or kills this process, finds the old one or the new one.

    It is UTF-8; what of a path is no text is escaped.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    partial.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Strict JSON, which every language reads: numbers that are not finite become null."""
    write_text(path, json.dumps(_strict(content), indent=2, default=str, allow_nan=False) + "\n")


def csv_text(names: Iterable[str], lines: Iterable[Mapping[str, Any]]) -> str:
    """A table with a line of headings. What a line does not have is empty.

    Raises:
        ValueError: a line has something that is not among the names.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: it is not JSON, or too large.
    """
    return parse_json(read_text(path), f"'{path}'")


@contextmanager
def written_by_us(path: Path) -> Iterator[None]:
    """Around code that takes the content of a file apart.

    Raises:
        ValueError: for a name that is missing or a value of another kind; the message names the file.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' does not hold what this version writes: {error!r}") from error


def _strict(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _strict(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_strict(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
