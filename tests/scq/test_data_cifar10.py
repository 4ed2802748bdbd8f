"""CIFAR-10 in its binary version: archives made here, whole, broken and foreign."""

import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from archives import write_folder, write_tar

from scq import data

FILES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
RECORDS = dict(zip(FILES, (2, 3, 1, 1, 1, 4), strict=True))
"""Different numbers, none of them the official one."""


def records(name: str) -> np.ndarray:
    """One label byte and 3072 pixel bytes a record."""
    rng = np.random.default_rng(FILES.index(name))
    labels = rng.integers(0, 10, (RECORDS[name], 1), dtype=np.uint8)
    return np.hstack([labels, rng.integers(0, 256, (RECORDS[name], 3072), dtype=np.uint8)])


def content() -> dict[str, bytes]:
    return {f"cifar-10-batches-bin/{name}": records(name).tobytes() for name in FILES}


def check(loaded: data.ImageData) -> None:
    train = np.concatenate([records(name) for name in FILES[:5]])[:, 1:]
    assert loaded.train.shape == (8, 3, 32, 32)
    assert loaded.test.shape == (4, 3, 32, 32)
    np.testing.assert_array_equal(loaded.train.numpy().reshape(8, -1), train)
    np.testing.assert_array_equal(loaded.test.numpy().reshape(4, -1), records(FILES[5])[:, 1:])


@pytest.mark.parametrize("name", ["cifar-10-binary.tar.gz", "cifar-10-binary-12k.tar.gz"])
def test_archive_in_the_root_is_read(name: str, tmp_path: Path) -> None:
    write_tar(tmp_path / name, content())
    check(data.load("cifar10", tmp_path))


def test_archive_given_itself_is_read_under_any_name(tmp_path: Path) -> None:
    check(data.load("cifar10", str(write_tar(tmp_path / "mine.tgz", content()))))


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_folder_is_read_from_outside_and_from_inside(inside: str, tmp_path: Path) -> None:
    check(data.load("cifar10", write_folder(tmp_path, content()) / inside))


def test_environment_variable_names_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(tmp_path / "cifar-10-binary.tar.gz", content())
    monkeypatch.setenv("SCQ_DATA", str(tmp_path))
    check(data.load("cifar10"))


def test_planes_are_red_green_blue_and_rows_go_across(tmp_path: Path) -> None:
    pixels = np.zeros((3, 32, 32), np.uint8)
    pixels[0, 0, 5], pixels[2, 7, 0] = 200, 100
    files = content() | {"cifar-10-batches-bin/test_batch.bin": b"\x03" + pixels.tobytes()}
    test = data.load("cifar10", write_tar(tmp_path / "a.tar.gz", files)).test
    assert test.nonzero().tolist() == [[0, 0, 0, 5], [0, 2, 7, 0]]
    assert test[0, 0, 0, 5] == 200


def test_missing_data_says_where_it_was_sought_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        data.load("cifar10", tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert all(word in message for word in ("cifar-10-batches-bin/", "https://", "--data-root", "SCQ_DATA"))


def test_missing_cache_folder_is_missing_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCQ_DATA", raising=False)
    monkeypatch.setattr("scq.data.root.cache_folder", lambda: tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"none \(the default\): looked for"):
        data.load("cifar10")


def test_several_archives_are_not_guessed_among(tmp_path: Path) -> None:
    for name in ("cifar-10-binary-a.tar.gz", "cifar-10-binary-b.tar.gz"):
        write_tar(tmp_path / name, content())
    with pytest.raises(ValueError, match=r"several archives.*-a\.tar\.gz, cifar-10-binary-b\.tar\.gz"):
        data.load("cifar10", tmp_path)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("pickle-was-read",)


def test_the_python_version_is_named_and_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickled = {f"cifar-10-batches-py/{name.removesuffix('.bin')}": pickle.dumps(Bomb()) for name in FILES}
    write_tar(tmp_path / "cifar-10-python.tar.gz", pickled)
    with pytest.raises(FileNotFoundError, match=r"cifar-10-python.tar.gz\), but pickles are not read"):
        data.load("cifar10", tmp_path)
    with pytest.raises(ValueError, match=r"cifar-10-python.tar.gz has no data_batch_1.bin"):
        data.load("cifar10", tmp_path / "cifar-10-python.tar.gz")
    assert not (tmp_path / "pickle-was-read").exists()


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_truncated_archive_is_refused_by_name(kept: float, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "cifar-10-binary.tar.gz", content())
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz (is truncated|has no)"):
        data.load("cifar10", tmp_path)


def test_damaged_archive_is_noticed_by_its_checksum(tmp_path: Path) -> None:
    # Stored without compression, so that a flipped pixel breaks nothing but the checksum.
    path = tmp_path / "cifar-10-binary.tar.gz"
    tar = write_tar(tmp_path / "whole.tar.gz", content())
    path.write_bytes(gzip.compress(gzip.decompress(tar.read_bytes()), compresslevel=0))
    blob = bytearray(path.read_bytes())
    blob[5000] ^= 1
    path.write_bytes(blob)
    with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz is truncated or not a tar.gz \(CRC"):
        data.load("cifar10", tmp_path)


@pytest.mark.parametrize(
    "blob", [b"", b"<html>404</html>" * 100, gzip.compress(b"no tar in here" * 100)], ids=["empty", "page", "no tar"]
)
def test_foreign_file_is_refused_by_name(blob: bytes, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(blob)
    with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz .*binary version"):
        data.load("cifar10", tmp_path)


@pytest.mark.parametrize("where", ["archive", "folder"])
@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (b"", "data_batch_2.bin has 0 bytes, must be a positive multiple of 3073"),
        (bytes(3073 * 2 - 1), "data_batch_2.bin has 6145 bytes, must be a positive multiple of 3073"),
        (b"\x0a" + bytes(3072), "data_batch_2.bin has a label 10, must be 0 to 9"),
        (None, "has no data_batch_2.bin"),
    ],
)
def test_broken_file_is_refused_by_name(where: str, blob: bytes | None, message: str, tmp_path: Path) -> None:
    files = content()
    del files["cifar-10-batches-bin/data_batch_2.bin"]
    if blob is not None:
        files["cifar-10-batches-bin/data_batch_2.bin"] = blob
    if where == "archive":
        write_tar(tmp_path / "cifar-10-binary.tar.gz", files)
    else:
        write_folder(tmp_path, files)
    with pytest.raises(ValueError, match=message):
        data.load("cifar10", tmp_path)


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    files = content()
    stolen = files.pop("cifar-10-batches-bin/test_batch.bin")
    path = root / "cifar-10-binary.tar.gz"
    (tmp_path / "outside.bin").write_bytes(stolen)
    with tarfile.open(path, "w:gz") as tar:
        for name, blob in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(blob)
            tar.addfile(member, io.BytesIO(blob))
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside.bin")
        tar.addfile(link)
    with pytest.raises(ValueError, match=r"has no test_batch.bin"):
        data.load("cifar10", root)
    assert sorted(found.name for found in tmp_path.rglob("*") if found.is_file()) == [path.name, "outside.bin"]


def test_reading_writes_nothing_beside_the_archive(tmp_path: Path) -> None:
    write_tar(tmp_path / "cifar-10-binary.tar.gz", content())
    data.load("cifar10", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


@pytest.mark.skipif("SCQ_DATA" not in os.environ, reason="SCQ_DATA is not set")
def test_real_cifar10() -> None:
    try:
        loaded = data.load("cifar10")
    except FileNotFoundError:
        pytest.skip("SCQ_DATA holds no CIFAR-10")
    assert len(loaded.train) % 5 == 0
    assert len(loaded.test) >= 1000
    # The published statistics of the whole set are 0.4914, 0.4822, 0.4465 and, over all pixels, 0.2516 squared.
    mean = loaded.train.float().mean(dim=(0, 2, 3)) / 255
    torch.testing.assert_close(mean, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.01, rtol=0)
    assert loaded.variance == pytest.approx(0.0633, abs=0.002)
