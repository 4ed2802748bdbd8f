"""Every reader of archives refuses those that are truncated, foreign, too large, or lead out of themselves."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import cifar10_files, folder_files, gtsrb_files, write_folder, write_tar, write_zip

from scq import data
from scq.data import cifar10, tree

READERS = {
    "cifar10": (write_tar, cifar10_files(), "cifar-10-binary.tar.gz"),
    "gtsrb": (write_zip, gtsrb_files(), "GTSRB.zip"),
    "folder": (write_zip, folder_files(), "pictures.zip"),
}
readers = pytest.mark.parametrize(
    ("name", "write", "files", "file"), [(name, *rest) for name, rest in READERS.items()], ids=READERS
)
Write = Callable[[Path, dict[str, bytes]], Path]


def test_every_data_set_from_files_is_among_these() -> None:
    # No archives of pictures: test_data_photos.py, test_data_large.py, and those of their names.
    elsewhere = {"photos", "imagenet", "lsun", "minigrid", "topics", "text", "speech"}
    assert set(READERS) == {entry.name for entry in data.datasets()} - elsewhere


@readers
def test_whole_archive_is_read(name: str, write: Write, files: dict[str, bytes], file: str, tmp_path: Path) -> None:
    loaded = data.load(name, write(tmp_path / file, files))
    assert loaded.train.shape[1:] == loaded.test.shape[1:] == (3, 32, 32)
    assert [path.name for path in tmp_path.iterdir()] == [file]


@readers
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.99])
def test_truncated_archive_is_refused_by_name(
    kept: float, name: str, write: Write, files: dict[str, bytes], file: str, tmp_path: Path
) -> None:
    path = write(tmp_path / file, files)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ValueError, match=rf"{file}.*(truncated|has no)"):
        data.load(name, path)


@readers
def test_foreign_file_is_refused_by_name(
    name: str, write: Write, files: dict[str, bytes], file: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.write_bytes(b"<html>404 not found</html>" * 100)
    with pytest.raises(ValueError, match=rf"{file} is truncated or not a"):
        data.load(name, path)


@readers
def test_archive_of_something_else_is_refused_by_name(
    name: str, write: Write, files: dict[str, bytes], file: str, tmp_path: Path
) -> None:
    path = write(tmp_path / file, {"readme.txt": b"nothing of interest"})
    with pytest.raises((ValueError, FileNotFoundError), match=rf"(has no|no .*pictures).*{file}|{file} has no"):
        data.load(name, path)


@readers
@pytest.mark.parametrize("outside", ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "..\\x.png"])
def test_archive_with_a_path_out_of_it_is_refused_by_name(
    outside: str, name: str, write: Write, files: dict[str, bytes], file: str, tmp_path: Path
) -> None:
    path = write(tmp_path / file, {outside: b"x"} | files)
    with pytest.raises(ValueError, match=rf"{file} holds .*a path that leads out of it"):
        data.load(name, path)


@pytest.mark.parametrize("name", ["gtsrb", "folder"])
@pytest.mark.parametrize("linked", ["file", "folder"])
def test_folder_with_a_link_out_of_it_is_refused_by_name(name: str, linked: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "root", READERS[name][1])
    inside = root / "GTSRB" if name == "gtsrb" else root
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.png").touch()
    (inside / "link.png").symlink_to(tmp_path / "outside" / ("x.png" if linked == "file" else ""))
    with pytest.raises(ValueError, match=r"link.png is a link that leads out of"):
        data.load(name, root)


@pytest.mark.parametrize("name", ["gtsrb", "folder"])
def test_damaged_entry_is_noticed_by_its_checksum(name: str, tmp_path: Path) -> None:
    path = tmp_path / READERS[name][2]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for inside, content in READERS[name][1].items():
            archive.writestr(inside, content)
    blob = bytearray(path.read_bytes())
    blob[2000] ^= 1  # a pixel of the first picture
    path.write_bytes(blob)
    with pytest.raises(ValueError, match=rf"{path.name}: .* is truncated or damaged \(Bad CRC"):
        data.load(name, path)


def test_encrypted_entry_is_refused_by_name(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "pictures.zip", folder_files())
    blob = bytearray(path.read_bytes())
    blob[blob.index(b"PK\x01\x02") + 8] |= 1  # the flag in the archive's directory
    path.write_bytes(blob)
    with pytest.raises(ValueError, match=r"pictures.zip: holiday/0.png is encrypted"):
        data.load("folder", path)


@readers
def test_what_unpacks_to_more_than_the_bound_is_refused(
    name: str, write: Write, files: dict[str, bytes], file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MAX_BYTES", 100)
    monkeypatch.setattr(cifar10, "MAX_BYTES", 100)
    path = write(tmp_path / file, files)
    with pytest.raises(ValueError, match=rf"{file}: .* bytes, at most 100 are read"):
        data.load(name, path)


@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_more_files_than_the_bound_are_refused(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_FILES", 3)
    with pytest.raises(ValueError, match=r"place has more than 3 files"):
        data.load("folder", write(tmp_path / "place", folder_files()))
