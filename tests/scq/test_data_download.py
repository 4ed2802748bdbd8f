"""Downloads, from a server on this machine that resumes, lies, refuses and dies."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from archives import cifar10_files, write_tar

from scq import data
from scq.cli import main
from scq.data import cifar10
from scq.data.download import RemoteFile, fetch

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends ``server.content``; ``server.ranges``: from where it was asked to; ``server.dies_after``: so many bytes."""

    def do_GET(self) -> None:
        server: Server = self.server  # pyrefly: ignore
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        self.wfile.write(server.content[start:][: server.dies_after])

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


class Server(http.server.ThreadingHTTPServer):
    content = CONTENT
    ranges = True
    dies_after: int | None = None
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler))
        self.asked: list[str | None] = []

    @property
    def remote(self) -> RemoteFile:
        return RemoteFile(f"http://127.0.0.1:{self.server_port}/file.bin", len(CONTENT), SHA256)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_is_downloaded_into_a_new_folder_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[int] = []
    path = fetch(server.remote, tmp_path / "new", told.append)
    assert path.read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["file.bin"]
    assert told == sorted(told) and told[-1] == len(CONTENT) and len(told) > 2


def test_file_that_is_there_is_not_downloaded_again(server: Server, tmp_path: Path) -> None:
    assert fetch(server.remote, tmp_path) == fetch(server.remote, tmp_path)
    assert server.asked == [None]


def test_server_that_dies_in_the_middle_is_resumed_where_it_was(server: Server, tmp_path: Path) -> None:
    server.dies_after = 300_000
    with pytest.raises(ConnectionError, match="ended after 300000 of 1024000 bytes; run the same command again"):
        fetch(server.remote, tmp_path)
    assert names(tmp_path) == ["file.bin.part"]
    server.dies_after = None
    assert fetch(server.remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert names(tmp_path) == ["file.bin"]


def test_server_that_cannot_resume_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:5000])
    server.ranges = False
    assert fetch(server.remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-"]


def test_part_that_is_complete_only_needs_its_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch(server.remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT * 3])
def test_file_with_another_checksum_or_size_is_deleted(content: bytes, server: Server, tmp_path: Path) -> None:
    server.content = content
    with pytest.raises(ValueError, match=r"file.bin sent another file than the one expected .*deleted"):
        fetch(server.remote, tmp_path)
    assert names(tmp_path) == []


def test_no_more_than_the_expected_size_is_received(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT * 3
    told: list[int] = []
    with pytest.raises(ValueError, match="another file"):
        fetch(server.remote, tmp_path, told.append)
    assert told[-1] == len(CONTENT) + 1


def test_damaged_part_is_deleted_so_that_the_next_call_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 5000)
    with pytest.raises(ValueError, match="deleted"):
        fetch(server.remote, tmp_path)
    assert fetch(server.remote, tmp_path).read_bytes() == CONTENT


def test_other_file_of_that_name_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"file.bin is there, but is not http.*move it away"):
        fetch(server.remote, tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"


def test_server_that_refuses_is_quoted(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(ConnectionError, match="file.bin answered 404 Not Found"):
        fetch(server.remote, tmp_path)


def test_no_connection_says_what_to_do(server: Server, tmp_path: Path) -> None:
    # A port of this machine that nobody listens on.
    remote = replace(server.remote, url="http://127.0.0.1:1/file.bin")
    with pytest.raises(ConnectionError, match=rf"cannot be downloaded \(.*refused\); .* put it into {tmp_path}"):
        fetch(remote, tmp_path)


def test_full_disk_is_reported_before_anything_is_sent(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"bytes free, file.bin needs 1000000000000000000 more"):
        fetch(replace(server.remote, size=10**18), tmp_path)
    assert server.asked == []


@pytest.fixture
def small_cifar10(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that has the archive of CIFAR-10, in small."""
    server.content = write_tar(tmp_path / "official.tar.gz", cifar10_files()).read_bytes()
    url = f"http://127.0.0.1:{server.server_port}/{cifar10.ARCHIVE}"
    sha256 = hashlib.sha256(server.content).hexdigest()
    monkeypatch.setattr(cifar10, "REMOTE", RemoteFile(url, len(server.content), sha256))
    return server


@pytest.mark.usefixtures("small_cifar10")
def test_command_downloads_to_where_the_reader_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root"
    root.mkdir()
    assert main(["data", "cifar10", "--data-root", str(root)]) == 0
    assert capsys.readouterr().out.split() == ["Data:", str(root / cifar10.ARCHIVE)]
    assert len(data.load("cifar10", root).train) == 10


def test_command_ends_with_one_line_without_a_connection(
    small_cifar10: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remote = replace(cifar10.REMOTE, url=f"http://127.0.0.1:1/{cifar10.ARCHIVE}")
    monkeypatch.setattr(cifar10, "REMOTE", remote)
    assert main(["data", "cifar10", "--data-root", str(tmp_path)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"scq: {remote.url} cannot be downloaded (") and "put it into" in last


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos"], "data set 'photos' has no download"),
        (["gtsrb"], "data set 'gtsrb' has no download"),
        (["cifar"], "data is 'cifar', must be one of: photos, cifar10, gtsrb, folder"),
    ],
)
def test_command_refuses_what_it_cannot_download(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_command_refuses_a_file_for_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["data", "cifar10", "--data-root", str(tmp_path / "file")]) == 2
    assert "is a file, must be the folder" in capsys.readouterr().err


def test_command_without_a_name_lists_every_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert all(entry.name in shown for entry in data.datasets())
    assert "download: scq data cifar10" in " ".join(shown.split())


def test_the_official_archive_is_the_one_that_its_site_names() -> None:
    assert cifar10.REMOTE.name == cifar10.ARCHIVE
    assert cifar10.REMOTE.url.startswith("https://www.cs.toronto.edu/~kriz/")
