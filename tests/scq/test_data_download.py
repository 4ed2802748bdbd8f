"""Downloads, from a server on this machine that resumes, lies, refuses and dies."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from servers import CONTENT, Server, serving

from scq.data.download import fetch


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        yield server


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_is_downloaded_into_a_new_folder_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[int] = []
    path = fetch(server.remote(), tmp_path / "new", told.append)
    assert path.read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["file.bin"]
    assert told == sorted(told) and told[-1] == len(CONTENT) and len(told) > 2


def test_file_that_is_there_is_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    assert fetch(server.remote(), tmp_path) == fetch(server.remote(), tmp_path)
    assert server.asked == [None]


def test_server_that_dies_in_the_middle_is_resumed_where_it_was(server: Server, tmp_path: Path) -> None:
    server.dies_after = 300_000
    with pytest.raises(ConnectionError, match="ended after 300000 of 1024000 bytes; run the same command again"):
        fetch(server.remote(), tmp_path)
    assert names(tmp_path) == ["file.bin.part"]
    server.dies_after = None
    assert fetch(server.remote(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert names(tmp_path) == ["file.bin"]


def test_server_that_cannot_resume_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:5000])
    server.ranges = False
    assert fetch(server.remote(), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-"]


def test_part_that_is_complete_only_needs_its_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch(server.remote(), tmp_path).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT * 3])
def test_file_with_another_checksum_or_size_is_deleted(content: bytes, server: Server, tmp_path: Path) -> None:
    remote = server.remote()
    server.content = content
    with pytest.raises(ValueError, match=r"file.bin sent another file than the one expected .*deleted"):
        fetch(remote, tmp_path)
    assert names(tmp_path) == []


def test_no_more_than_the_expected_size_is_received(server: Server, tmp_path: Path) -> None:
    remote = server.remote()
    server.content = CONTENT * 3
    told: list[int] = []
    with pytest.raises(ValueError, match="another file"):
        fetch(remote, tmp_path, told.append)
    assert told[-1] == len(CONTENT) + 1


def test_damaged_part_is_deleted_so_that_the_next_call_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 5000)
    with pytest.raises(ValueError, match="deleted"):
        fetch(server.remote(), tmp_path)
    assert fetch(server.remote(), tmp_path).read_bytes() == CONTENT


def test_other_file_of_that_name_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"file.bin is there, but is not http.*move it away"):
        fetch(server.remote(), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"


def test_server_that_refuses_is_quoted(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(ConnectionError, match="file.bin answered 404 Not Found"):
        fetch(server.remote(), tmp_path)


def test_no_connection_says_what_to_do(server: Server, tmp_path: Path) -> None:
    # A port of this machine that nobody listens on.
    remote = replace(server.remote(), url="http://127.0.0.1:1/file.bin")
    with pytest.raises(ConnectionError, match=rf"cannot be downloaded \(.*refused\); .* put it into {tmp_path}"):
        fetch(remote, tmp_path)


def test_full_disk_is_reported_before_anything_is_sent(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"bytes free, file.bin needs 1000000000000000000 more"):
        fetch(replace(server.remote(), size=10**18), tmp_path)
    assert server.asked == []
