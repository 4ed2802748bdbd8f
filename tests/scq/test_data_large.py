"""ImageNet's layout, LSUN's databases, and a memory that does not grow with the number of pictures."""

import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
import torch
from archives import picture, write_folder

from scq import data
from scq.data.pictures import square

ROOT = Path(__file__).parents[2]


def imagenet(inside: str = "", val: str = "val/") -> dict[str, bytes]:
    names = [f"train/n0144076{label}/n0144076{label}_{number}.JPEG" for label in range(3) for number in range(4)]
    names += [f"{val}ILSVRC2012_val_0000000{number}.JPEG" for number in range(5)]
    files = {f"{inside}{name}": picture(number, kind="JPEG") for number, name in enumerate(names)}
    return files | {f"{inside}test/ILSVRC2012_test_00000001.JPEG": b"unlabelled", f"{inside}train/LOC.csv": b"x"}


@pytest.mark.parametrize("inside", ["", "ILSVRC/Data/CLS-LOC/"])
@pytest.mark.parametrize("val", ["val/", "val/n01440764/"])
def test_imagenet_is_read_where_its_archives_put_it(inside: str, val: str, tmp_path: Path) -> None:
    files = imagenet(inside, val)
    loaded = data.load("imagenet", write_folder(tmp_path, files), size=16)
    assert (loaded.train.shape, loaded.test.shape) == ((12, 3, 16, 16), (5, 3, 16, 16))
    found = {one.numpy().tobytes() for part in loaded.test.split(2) for one in part}
    assert found == {square(files[name], "x", 16).tobytes() for name in files if f"{inside}val" in name}
    assert next(loaded.batches(12, torch.Generator())).shape == (12, 3, 16, 16)


def test_a_folder_that_is_not_imagenet_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/cats/a.JPEG": b"x", "val/a.JPEG": b"x"})
    with pytest.raises(FileNotFoundError, match=r"looked for train/n01440764 and others like it, and val.*--data-root"):
        data.load("imagenet", tmp_path)
    write_folder(tmp_path, {"train/n01440764/a.JPEG": b"x"})
    (tmp_path / "val" / "a.JPEG").unlink()
    with pytest.raises(ValueError, match="val has no pictures of ImageNet"):
        data.load("imagenet", tmp_path)


def write_lsun(folder: Path, count: int, first: int = 0) -> dict[str, bytes]:
    """A database as LSUN's: WebP by keys that are hashes."""
    pictures = {f"{number:040x}": picture(first + number, kind="WEBP") for number in range(count)}
    with lmdb.open(str(folder), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        for key, content in pictures.items():
            transaction.put(key.encode(), content)
    (folder / "lock.mdb").unlink()
    return pictures


@pytest.fixture
def churches(tmp_path: Path) -> Path:
    write_lsun(tmp_path / "church_outdoor_train_lmdb", 9)
    write_lsun(tmp_path / "church_outdoor_val_lmdb", 4, first=100)
    return tmp_path


@pytest.mark.parametrize("named", ["", "church_outdoor_train_lmdb", "church_outdoor_val_lmdb"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_class_of_lsun_is_read_from_its_databases(named: str, workers: int, churches: Path) -> None:
    loaded = data.load("lsun", churches / named, size=16, workers=workers)
    assert (loaded.train.shape, loaded.test.shape) == ((9, 3, 16, 16), (4, 3, 16, 16))
    found = {one.numpy().tobytes() for part in loaded.test.split(3) for one in part}
    assert found == {square(picture(100 + n, kind="WEBP"), "x", 16).tobytes() for n in range(4)}
    batches = loaded.batches(9, torch.Generator())
    assert next(batches).shape == (9, 3, 16, 16)
    batches.close()
    assert "from church_outdoor_train_lmdb (those in church_outdoor_val_lmdb)" in loaded.description


def test_of_several_classes_one_must_be_named(churches: Path) -> None:
    write_lsun(churches / "bedroom_train_lmdb", 3)
    with pytest.raises(ValueError, match="has several classes of LSUN .*give the path of one"):
        data.load("lsun", churches)
    with pytest.raises(FileNotFoundError, match="bedroom_val_lmdb is not there, must be beside bedroom_train_lmdb"):
        data.load("lsun", churches / "bedroom_train_lmdb")


def test_lsun_that_is_not_there_truncated_empty_or_bad_is_refused_by_name(churches: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"LSUN is not in .*_train_lmdb"):
        data.load("lsun", churches / "church_outdoor_train_lmdb" / "data.mdb")
    (churches / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"LSUN is not in .*empty.*unpack them there"):
        data.load("lsun", churches / "empty")
    write_lsun(churches / "none_train_lmdb", 0)
    (churches / "none_val_lmdb").mkdir()
    with pytest.raises(ValueError, match="none_train_lmdb is empty"):
        data.load("lsun", churches / "none_train_lmdb")
    whole = (churches / "church_outdoor_val_lmdb" / "data.mdb").read_bytes()
    for name, kept, message in (("a", 0.6, " is truncated: data.mdb has"), ("b", 0, " is truncated or no database")):
        for split in ("train", "val"):
            (churches / f"{name}_{split}_lmdb").mkdir()
            (churches / f"{name}_{split}_lmdb" / "data.mdb").write_bytes(whole[: int(kept * len(whole))])
        with pytest.raises(ValueError, match=f"{name}_train_lmdb{message}"):
            data.load("lsun", churches / f"{name}_train_lmdb")


def test_a_bad_picture_of_lsun_is_refused_by_its_key(churches: Path) -> None:
    database = churches / "church_outdoor_val_lmdb"
    with lmdb.open(str(database), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"0bad", b"no picture")
    loaded = data.load("lsun", churches)
    with pytest.raises(ValueError, match=r"church_outdoor_val_lmdb: 0bad is truncated or no picture"):
        list(loaded.test.split(10))


def test_a_database_is_read_again_and_by_processes_after_this_one_has_read_it(churches: Path) -> None:
    first, again = data.load("lsun", churches, size=16), data.load("lsun", churches, size=16, workers=1)
    expected = first.train[:]
    assert torch.equal(again.train[:], expected)
    assert torch.equal(torch.cat(list(again.train.split(4))), expected)


def test_without_the_extra_lsun_says_what_to_install(churches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("scq.extras").extras.EXTRAS, "lsun", ("no_such_package",))
    with pytest.raises(ImportError, match=r'pip install "scq\[lsun\]"'):
        data.load("lsun", churches)


_WORK = """
import resource, sys, torch
from scq import data
from scq.models import Autoencoder
from scq.quantizers import quantizer
from scq.training import evaluate

place, workers = sys.argv[1], int(sys.argv[2])
loaded = data.load("folder", place, size=128, workers=workers)
assert len(loaded.train) + len(loaded.test) == 20_000, loaded.description
status = lambda name: next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name))
shared = status("VmRSS:")
batches = loaded.batches(64, torch.Generator())
for _ in range(20):
    next(batches)
batches.close()
model = Autoencoder(quantizer("vq", 16, 4, channel_dim=1), width=4, residual_width=4, dim=4)
model.meet(loaded)
evaluate(model, loaded.test.narrow(0, 0, 300))
# Not RUSAGE_SELF, which has what the process that started this one had.
print(status("VmHWM:"), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, shared)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak where Linux has it")
def test_twenty_thousand_pictures_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    """In memory they would take 0.98 GB at 128 x 128, twice while they are read."""
    few = [picture(number, 16, 16, kind="JPEG") for number in range(50)]
    for number in range(20_000):
        path = tmp_path / f"{number % 200}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(few[number % 50])
    command = [sys.executable, "-c", _WORK, str(tmp_path), "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    process, worker, shared = (int(kilobytes) / 1e6 for kilobytes in done.stdout.split())
    # What was there when the worker was forked, Python's modules above all, is in both peaks, and in memory once.
    assert process + worker - shared < 1.0, (process, worker, shared)
