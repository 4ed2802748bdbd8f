"""``text``: a user's own text, one .txt file or all those in a folder with any subfolders, or in a zip archive of one.

Files in subfolders named ``test`` are held out; without any such, whole files, chosen by a hash of their names, of
together at most a tenth of the text; of one file alone the last tenth.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import UInt8
from torch import Tensor

from scq.data.root import find_root
from scq.data.text_data import TextData
from scq.data.tree import open_tree

LENGTH = 128
"""Characters of a window."""

_SHARE = 10
"""One character of so many is held out."""

_PARAGRAPH = 64
"""Shorter paragraphs are equal by chance."""


def read(root: Path | None = None) -> TextData:
    """All .txt files, in UTF-8.

    Raises:
        FileNotFoundError: when there are none; the message says where they were sought.
        ValueError: when a file is not UTF-8, a link leads out of the folder, or too little is left for two splits; the
            message names it.
    """
    found = find_root(root)
    nothing = f"no text (.txt) in {found}; name the file or folder that holds yours with --data-root or SCQ_DATA"
    if not found.path.exists():
        raise FileNotFoundError(nothing)
    if found.path.suffix.lower() == ".txt" and found.path.is_file():
        documents = {found.path.name: _decoded(found.path.read_bytes(), str(found.path))}
    else:
        with open_tree(found.path) as tree:
            names = [name for name in tree.names if _is_text(name)]
            documents = {name: _decoded(tree.read(name), f"{found.path}: {name}") for name in names}
    if not documents:
        raise FileNotFoundError(nothing)
    named = [name for name in documents if "test" in PurePosixPath(name).parts[:-1]]
    return of_documents("text", documents, f"{len(documents)} files of {found.path.name}", named)


def of_documents(name: str, documents: Mapping[str, str], of: str, held_out: Collection[str] = ()) -> TextData:
    """Windows of 128 characters, side by side, of the documents of each split after one another.

    Texts of one origin quote each other. A paragraph of 64 characters or more therefore counts once, the held-out
    documents first: none is in training and test.

    Args:
        name: of the data set.
        documents: their texts by name.
        of: where they came from, for the description.
        held_out: names; none for a tenth of the text, by whole documents in the order of their names' hashes.

    Raises:
        ValueError: a split of less than a window.
    """
    how = "those in folders named test"
    if not held_out and len(documents) == 1:
        (text,) = documents.values()
        cut, how = len(text) - len(text) // _SHARE, "the last tenth"
        documents, held_out = {"training": text[:cut], "test": text[cut:]}, ["test"]
    elif not held_out:
        held_out, how = _chosen(documents), "whole documents, chosen by a hash of their names"
    names = sorted(documents, key=lambda one: (one not in held_out, _hash(one)))
    seen: set[str] = set()
    test, train, repeated = [], [], 0
    for one in names:
        kept, dropped = _first_of_equal(documents[one], seen)
        (test if one in held_out else train).append(kept)
        repeated += dropped
    cut = {split: _windows(texts, f"{of}: {split}") for split, texts in (("train", train), ("test", test))}
    description = (
        f"{len(cut['train'])} training and {len(cut['test'])} test windows of {LENGTH} characters ({how}) from {of}; "
        f"left out: {repeated} characters of paragraphs equal to another"
    )
    return TextData(name=name, **cut, description=description)


def _windows(texts: Iterable[str], where: str) -> UInt8[Tensor, "N length"]:
    """The bytes of the texts after one another, in windows; what is left at the end is dropped."""
    content = "\n\n".join(texts).encode()
    number = len(content) // LENGTH
    if not number:
        raise ValueError(f"{where} has {len(content)} characters, must have {LENGTH} at least")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)[: number * LENGTH].reshape(number, LENGTH)


def _chosen(documents: Mapping[str, str]) -> list[str]:
    """Whole documents of together at most a tenth; the shortest where none is as short."""
    left, chosen = sum(map(len, documents.values())) // _SHARE, []
    for name in sorted(documents, key=_hash):
        if len(documents[name]) <= left:
            chosen.append(name)
            left -= len(documents[name])
    return chosen or [min(documents, key=lambda name: (len(documents[name]), _hash(name)))]


def _first_of_equal(text: str, seen: set[str]) -> tuple[str, int]:
    """The text without the paragraphs that were seen before, and how many characters those had."""
    kept, dropped = [], 0
    for paragraph in re.split(r"\n\s*\n", text):
        words = " ".join(paragraph.split())
        if words in seen:
            dropped += len(paragraph)
            continue
        kept.append(paragraph)
        if len(words) >= _PARAGRAPH:
            seen.add(words)
    return "\n\n".join(kept), dropped


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


def _is_text(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() == ".txt" and not any(part.startswith(".") for part in path.parts)


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not UTF-8 ({error}); convert it first") from error
