"""Files of others do no harm: nothing of them is run, they take no more memory than allowed, and errors name them."""

import ast
import gzip
import io
import json
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from archives import cifar10_files, picture, write_tar, write_zip
from safetensors.torch import save_file
from small_runs import SMALL

from scq import data
from scq.cli import main
from scq.data import cifar10
from scq.data.pictures import FORMATS, square
from scq.training import build_model, load_run
from scq.training.run import Run
from scq.validation import report

ROOT = Path(__file__).parents[1]
SOURCES = [path for name in ("solvers", "scq", "validation", "benchmarks") for path in ROOT.glob(f"{name}/**/*.py")]

FORBIDDEN_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save"),
    *("np.load", "numpy.load", "torch.hub.load", "tempfile.mktemp", "shutil.unpack_archive"),
}
FORBIDDEN_METHODS = {"extractall", "extract", "read_pickle", "to_pickle"}
FORBIDDEN_ARGUMENTS = {"shell", "allow_pickle", "weights_only", "forceobj", "looplift"}


def dangers(source: str) -> list[str]:
    """What of a module can run code that is not its own, with line numbers."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found += [f"{node.lineno}: import {name}" for name in names if name.partition(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in FORBIDDEN_CALLS or called.rpartition(".")[2] in FORBIDDEN_METHODS:
                found.append(f"{node.lineno}: {called}")
            arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            found += [f"{node.lineno}: {name}={arguments[name]}" for name in FORBIDDEN_ARGUMENTS & arguments.keys()]
    return found


def test_no_source_file_can_run_what_it_reads() -> None:
    """But two: compiled code is there to be run, and comes from a folder that is its owner's alone; published weights
    are in torch's own format, of which its loader is told to take tensors alone."""
    assert len(SOURCES) > 100
    found = {path.relative_to(ROOT).as_posix(): dangers(path.read_text()) for path in SOURCES}
    (pickle,) = found.pop("solvers/compiled/cache.py")
    assert pickle.endswith(": import pickle")
    loaders = found.pop("scq/perceptual/weights.py")
    assert [what.partition(": ")[2] for what in loaders] == [
        "import pickle",  # the name of an error
        "weights_only=True",
        "torch.load",
        "weights_only=True",
    ]
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import load",
        "import torch\ntorch.load('x', weights_only=True)",
        "numpy.load(f, allow_pickle=True)",
        "subprocess.run('ls', shell=True)",
        "archive.extractall(folder)",
        "x = eval(text)",
        "@numba.jit(forceobj=True)\ndef f(): pass",
    ],
)
def test_what_could_is_noticed(source: str) -> None:
    assert dangers(source)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_picture_with_a_text_that_unpacks_to_gigabytes_is_refused_by_name(kind: bytes) -> None:
    png = picture(0, kind="PNG")
    bomb = chunk(kind, b"k\0\0" + zlib.compress(bytes(20_000_000), 9))
    assert len(bomb) < 30_000
    with pytest.raises(ValueError, match=r"^bomb.png is truncated or no picture \(Decompressed data too large"):
        square(png[:33] + bomb + png[33:], "bomb.png")


def test_a_picture_of_a_terapixel_is_refused_by_name() -> None:
    png = picture(0, kind="PNG")
    header = chunk(b"IHDR", struct.pack(">II", 1_000_000, 1_000_000) + png[24:29])
    with pytest.raises(ValueError, match=r"^bomb.png has (too many pixels|1000000000000 pixels)"):
        square(png[:8] + header + png[33:], "bomb.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks on broken EXIF data
@pytest.mark.parametrize("kind", sorted(set(FORMATS.values())))
def test_damaged_pictures_are_read_or_refused_by_name(kind: str) -> None:
    """Pillow raises many kinds of errors; ours is one, and it has the name of the file."""
    random = np.random.default_rng(0)
    whole = np.frombuffer(picture(0, kind=kind), dtype=np.uint8)
    messages = []
    for _ in range(150):
        content = whole.copy()
        where = random.integers(0, min(len(content), 200), size=random.integers(1, 5))
        content[where] = random.integers(0, 256, size=len(where))
        try:
            square(content.tobytes(), "x.jpg")
        except ValueError as error:
            messages.append(str(error))
    assert messages and [message for message in messages if not message.startswith("x.jpg ")] == []


def test_a_damaged_picture_in_an_archive_names_both(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "pictures.zip", {"a.ppm": b"P6 3x 3 255\n" + bytes(27), "b.ppm": picture(1)})
    with pytest.raises(ValueError, match=r"pictures.zip: a.ppm is truncated or no picture"):
        data.load("folder", path)


def test_an_archive_that_unpacks_to_more_than_the_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "MAX_UNPACKED", 1_000_000)
    path = write_tar(tmp_path / "cifar-10-binary.tar.gz", {"unwanted": bytes(3_000_000)} | cifar10_files())
    with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz unpacks to more than 1000000 bytes"):
        data.load("cifar10", path)
    # The same behind the end of the tar archive, where only the checksum is read.
    blob = gzip.decompress(write_tar(path, cifar10_files()).read_bytes())
    path.write_bytes(gzip.compress(blob + bytes(3_000_000)))
    with pytest.raises(ValueError, match=r"unpacks to more than 1000000 bytes"):
        data.load("cifar10", path)


def test_the_header_of_an_archive_cannot_ask_for_more_memory_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "MAX_UNPACKED", 1_000_000)
    blob = io.BytesIO(gzip.decompress(write_tar(tmp_path / "x.tar.gz", cifar10_files()).read_bytes()))
    header = bytearray(blob.read(512))
    header[156:157] = b"L"  # a long name follows, which is read as a whole
    header[124:136] = b"%011o\0" % (2**33 - 1)
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(gzip.compress(bytes(header) + bytes(2_000_000)))
    with pytest.raises(ValueError, match=r"unpacks to more than 1000000 bytes"):
        data.load("cifar10", path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that never was."""
    Run(tmp_path).write_config(SMALL)
    state = {name: value.contiguous() for name, value in build_model(SMALL).state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "train/mse": 0.5}\n')
    return tmp_path


def change(run: Path, **settings: object) -> None:
    content = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(content | settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": "10"},
        {"steps": 1.5},
        {"gap": "no"},
        {"lam": True},
        {"data": 3},
        {"init": "__import__('os')"},
        {"out": 3},
        {"name": "../../outside"},
        {"quantizer": "os:system"},
        {"backend": "subprocess:run"},
        {"lam": float("inf")},
        {"stepz": 3},
    ],
    ids=str,
)
def test_settings_of_the_wrong_kind_are_refused_by_file_and_name(
    settings: dict[str, object], run: Path, as_a_user: None
) -> None:
    change(run, **settings)
    with pytest.raises(ValueError, match=rf"config.json' is not the configuration .*{next(iter(settings))}"):
        _ = Run(run).config


@pytest.mark.parametrize(
    "content", ["[]", "3", "", "{" * 100_000, "[" * 100_000, '{"steps": ' + "9" * 5000 + "}", "\x00", "{'steps': 3}"]
)
def test_a_configuration_that_is_none_is_refused_by_file(content: str, run: Path, as_a_user: None) -> None:
    (run / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config.json'"):
        _ = Run(run).config
    (run / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"config.json'.* not a text file"):
        _ = Run(run).config


@pytest.mark.parametrize(
    "settings", [{"width": 10**9}, {"codebook_size": 10**12}, {"dim": 2**40}, {"residual_layers": 10**9}], ids=str
)
def test_settings_that_ask_for_all_memory_are_refused_before_it_is_taken(settings: dict[str, int], run: Path) -> None:
    change(run, **settings)
    with pytest.raises(ValueError, match=r"model.safetensors' (has|cannot hold) .*the model of config.json"):
        load_run(run)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def announce(path: Path) -> None:
    """A header that says that it has a terabyte of header."""
    path.write_bytes(struct.pack("<Q", 2**40) + path.read_bytes()[8:])


def replace(path: Path) -> None:
    save_file({"anything": torch.zeros(3)}, path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, announce, replace, empty], ids=lambda damage: damage.__name__)
def test_weights_that_are_none_are_refused_by_file(damage: Callable[[Path], None], run: Path, capsys) -> None:
    damage(run / "model.safetensors")
    with pytest.raises(ValueError, match=r"model.safetensors' (cannot be read as a safetensors file|has )"):
        load_run(run)
    assert main(["compare", "--latents", str(run), "--out", str(run / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        "rubbish",
        "[1]",
        "{}",
        '{"step": "1"}',
        '{"step": 1, "train/mse": "0.5"}',
        '{"step": 1, "train/mse": {"x": 1}}',
        '{"step": 1, "train/mse": 1' + "0" * 400 + "}",
        "[" * 100_000,
    ],
    ids=lambda line: line[:40],
)
def test_a_log_with_rubbish_is_refused_by_file_and_line(line: str, run: Path, capsys) -> None:
    with (run / "metrics.jsonl").open("a") as log:
        log.write(line + "\n")
    with pytest.raises(ValueError, match=r"metrics.jsonl', line 2, (is not|has train/mse)"):
        Run(run).log()
    assert main(["report", str(run)]) == 2
    assert re.fullmatch(r"scq: .*metrics.jsonl', line 2, .*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("results.json", "[]"),
        ("results.json", '{"methods": {"exact": {}}}'),
        ("compare.json", '{"rows": [{"outcome": "hacked"}]}'),
        ("compare.json", '{"rows": [{"outcome": "ok", "foreign": 1}]}'),
        ("compare.json", '{"rows": 3}'),
        ("config.json", "[]"),
        ("test.json", "["),
        ("pictures.safetensors", "rubbish"),
    ],
)
def test_results_of_another_kind_are_refused_in_one_line(file: str, content: str, run: Path, capsys) -> None:
    folder = run
    if file not in ("config.json", "test.json"):  # those of paired runs
        folder = run / "paired"
        shutil.copytree(run, folder / "exact")
    (folder / file).write_text(content)
    assert main(["report", str(folder)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and str(folder) in error


def test_names_in_results_cannot_become_markup_or_leave_the_folder(run: Path) -> None:
    change(run, quantizer="vq", data="<script>alert(1)</script>")
    page = report(run, progress=False)
    assert run in page.parents
    assert "<script>alert(1)" not in page.read_text()
