"""Text: windows of bytes, and nothing held out that is in training too."""

import zipfile
from pathlib import Path

import pytest
import torch

from scq import data
from scq.data.text import LENGTH, of_documents
from scq.data.text_data import TextData

PARAGRAPHS = [f"Paragraph {number:03d} says something that no other one says, in words enough." for number in range(90)]


def text_of(windows: torch.Tensor) -> str:
    return bytes(windows.flatten().tolist()).decode(errors="replace")


def document(*numbers: int) -> str:
    return "\n\n".join(PARAGRAPHS[number] for number in numbers)


def in_both(loaded: TextData) -> list[str]:
    train, test = text_of(loaded.train), text_of(loaded.test)
    return [paragraph for paragraph in PARAGRAPHS if paragraph in train and paragraph in test]


def test_the_topics_are_text_and_none_of_it_is_on_both_sides() -> None:
    loaded = data.load("topics")
    assert isinstance(loaded, TextData)
    train, test = text_of(loaded.train), text_of(loaded.test)
    assert "\n\nThe following" in train and test.isprintable() is False
    assert 0.05 < len(loaded.test) / (len(loaded.train) + len(loaded.test)) < 0.15
    # Topics quote one another: without leaving out paragraphs that were seen, this would be about two thirds. What is
    # left are single lines of grammar and examples.
    pieces = [test[start : start + 80] for start in range(0, len(test) - 80, 80)]
    assert sum(piece in train for piece in pieces) / len(pieces) < 0.05
    assert loaded.description.endswith("characters of paragraphs equal to another")
    assert torch.equal(data.load("topics").test, loaded.test)


def test_windows_are_the_bytes_of_the_text_side_by_side(tmp_path: Path) -> None:
    text = "Grüße, 文字. " * 200
    (tmp_path / "my.txt").write_text(text, encoding="utf-8")
    loaded = data.load("text", tmp_path / "my.txt")
    content = text.encode()
    train = bytes(loaded.train.flatten().tolist())
    assert loaded.train.shape[1] == LENGTH and content.startswith(train)
    assert bytes(loaded.test.flatten().tolist()) in content[len(train) :]
    assert 0.85 < len(train) / len(content) < 0.9
    assert loaded.ready(loaded.test).dtype == torch.int64
    assert torch.equal(loaded.ready(loaded.test), loaded.test.long())


def test_whole_documents_are_held_out_and_what_they_share_counts_once(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text(document(*range(5 * number, 5 * number + 8)))
    loaded = data.load("text", tmp_path)
    assert in_both(loaded) == []
    assert len(loaded.test) and "whole documents, chosen by a hash" in loaded.description
    (tmp_path / "12.txt").write_text(document(*range(80, 88)))
    again = data.load("text", tmp_path)
    assert text_of(loaded.test[:1]) in text_of(again.test) or text_of(again.test[:1]) in text_of(loaded.test)


def test_a_folder_named_test_is_the_test_also_in_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        archive.writestr("books/a.txt", document(*range(20)))
        archive.writestr("books/test/b.txt", document(*range(15, 30)))
        archive.writestr("books/.hidden.txt", document(50))
        archive.writestr("books/cover.png", b"no text")
    loaded = data.load("text", tmp_path / "texts.zip")
    assert PARAGRAPHS[15] in text_of(loaded.test) and PARAGRAPHS[0] in text_of(loaded.train)
    assert in_both(loaded) == [] and "from 2 files of texts.zip" in loaded.description


def test_short_paragraphs_may_repeat() -> None:
    refrain = "\n\n".join(["The end.", PARAGRAPHS[0], "The end.", PARAGRAPHS[1], "The end.", document(2, 9)])
    loaded = of_documents("own", {"a": refrain, "b": document(*range(3, 9))}, "two", held_out=["b"])
    assert text_of(loaded.train).count("The end.") == 3


def test_what_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no text \(.txt\) in .*; name the file or folder that holds yours"):
        data.load("text", tmp_path)
    (tmp_path / "a.txt").write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a.txt is not UTF-8 \(.*\); convert it first"):
        data.load("text", tmp_path)
    (tmp_path / "a.txt").write_text("short")
    with pytest.raises(ValueError, match=r"1 files of .*: (train|test) has \d characters, must have 128 at least"):
        data.load("text", tmp_path)


@pytest.mark.usefixtures("as_a_user")
def test_windows_that_cannot_be_are_refused() -> None:
    windows = torch.zeros(2, 8, dtype=torch.uint8)
    with pytest.raises(TypeError, match="train is torch.int64, must be a tensor of torch.uint8"):
        TextData("own", windows.long(), windows, "")
    with pytest.raises(ValueError, match=r"test has shape \(2, 0\), must be \(N >= 1, length\)"):
        TextData("own", windows, windows[:, :0], "")
    with pytest.raises(ValueError, match="windows in train and test have lengths 8 and 4, must be of one length"):
        TextData("own", windows, windows[:, :4], "")
