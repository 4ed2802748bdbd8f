"""``scq data``: the list of data sets, and the download of one."""

from dataclasses import replace
from pathlib import Path

import pytest
from archives import cifar10_files, write_tar
from servers import serving

from scq import data
from scq.cli import main
from scq.data import cifar10


def test_command_downloads_to_where_the_reader_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        server.content = write_tar(tmp_path / "official.tar.gz", cifar10_files()).read_bytes()
        monkeypatch.setattr(cifar10, "REMOTE", server.remote(cifar10.ARCHIVE))
        assert main(["data", "cifar10", "--data-root", str(root)]) == 0
    assert capsys.readouterr().out.split() == ["Data:", str(root / cifar10.ARCHIVE)]
    assert len(data.load("cifar10", root).train) == 10


def test_command_ends_with_one_line_without_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "*")
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
