"""Files that may come from somebody else: bounded in size, checked, and refused by name; never run as code."""

import json
from pathlib import Path
from typing import Any

MAX_TEXT = 256 * 2**20
"""Bytes of one text file: a log of a million lines has less."""


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        ValueError: it has more than MAX_TEXT bytes, or is no text.
    """
    size = path.stat().st_size
    if size > MAX_TEXT:
        raise ValueError(f"'{path}' has {size} bytes, at most {MAX_TEXT} are read")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"'{path}' is not a text file: {error}") from error


def parse_json(text: str, where: str) -> Any:
    """What a text says in JSON. Objects, lists, strings and numbers are all that can come of it.

    Args:
        text: the JSON.
        where: what the error message calls it.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or has an integer of thousands of digits.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON: {error}") from error
