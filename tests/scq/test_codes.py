"""Files to codes and back: what numpy reads, the model's own reconstructions, names, and what is refused."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from archives import picture, write_folder, write_zip
from PIL import Image
from safetensors.torch import save_file
from small_runs import SMALL

from scq import data
from scq.cli import main
from scq.codes import decode, encode, encoding
from scq.data.pictures import square
from scq.training.model import build_model
from scq.training.run import Run

COUNT = 7


def made_run(folder: Path, **settings: object) -> Path:
    """A run that was not trained, which is no different for codes. Its codewords are near its latents."""
    config = SMALL.of(str(settings.pop("quantizer", "scq")), gap=False, **settings)
    torch.manual_seed(0)
    model = build_model(config)
    model.calibrate(data.to_float(data.load("photos").train[:32]))
    model.encode_to_codes(data.to_float(data.load("photos").train[:32]))
    folder.mkdir(parents=True)
    Run(folder).write_config(config)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    (folder / "test.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def soft(tmp_path_factory) -> Path:
    return made_run(tmp_path_factory.mktemp("soft") / "run")


@pytest.fixture(scope="module")
def hard(tmp_path_factory) -> Path:
    return made_run(tmp_path_factory.mktemp("hard") / "run", quantizer="vq")


def files() -> dict[str, bytes]:
    names = [f"{'ab'[n % 2]}/{n}.png" for n in range(COUNT - 1)] + ["a/0.jpg"]
    kinds = ["PNG"] * (COUNT - 1) + ["JPEG"]
    return {name: picture(n, 40 + n, 50, kind=kind) for n, (name, kind) in enumerate(zip(names, kinds, strict=True))}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pictures", files())


@pytest.fixture(autouse=True)
def _in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three files at a time."""
    monkeypatch.setattr("scq.codes.picture_files._AT_ONCE", 3)
    monkeypatch.setattr("scq.codes.decoding._AT_ONCE", 3 * 64)


def own(run: Path, size: int = 32):
    """What the model itself makes of the pictures, in the order of their names."""
    model = Run(run).model()
    names = sorted(files())
    pictures = torch.from_numpy(np.stack([square(files()[name], name, size) for name in names]))
    with torch.no_grad():
        return names, model, model(data.to_float(pictures))


def read(folder: Path, names: list[str]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / name)) for name in names]).transpose(0, 3, 1, 2)


def as_pixels(reconstruction: torch.Tensor) -> np.ndarray:
    return ((reconstruction + 0.5).clamp(0, 1) * 255).round().byte().numpy()


def test_soft_codes_are_what_numpy_reads_and_what_the_model_gives(soft: Path, place: Path, tmp_path: Path) -> None:
    done = encode(soft, place, tmp_path / "codes.npz")
    names, _, output = own(soft)
    with np.load(tmp_path / "codes.npz") as codes:
        assert codes["names"].tolist() == names
        np.testing.assert_array_equal(codes["indices"], output.quantized.indices.numpy())
        assert codes["indices"].shape == (COUNT, 8, 8) == (done.number, *done.shape)
        sizes, weights = codes["support_size"], output.quantized.weights.numpy()
        np.testing.assert_array_equal(sizes, (weights != 0).sum(-1))
        # Latent after latent.
        ends, latent = np.cumsum(sizes), 77
        part = slice(ends.flat[latent] - sizes.flat[latent], ends.flat[latent])
        found = np.zeros(8, np.float32)
        found[codes["support"][part]] = codes["weights"][part]
        np.testing.assert_allclose(found, weights.reshape(-1, 8)[latent], rtol=0, atol=1e-6)
        assert done.support_size == pytest.approx(sizes.mean()) and sizes.max() > 1
        assert json.loads(str(codes["about"]))["quantizer"] == "scq"


def test_decoded_soft_codes_are_the_reconstructions_and_their_hard_ones_those_of_the_indices(
    soft: Path, place: Path, tmp_path: Path
) -> None:
    encode(soft, place, tmp_path / "codes.npz")
    names, model, output = own(soft)
    new = ["a/0.png" if name == "a/0.jpg" else "a/0.png.png" if name == "a/0.png" else name for name in names]
    assert decode(soft, tmp_path / "codes.npz", tmp_path / "soft").soft
    # A value next to half of 1/255 may be rounded either way.
    assert np.abs(read(tmp_path / "soft", new).astype(int) - as_pixels(output.reconstruction)).max() <= 1
    with torch.no_grad():
        expected = as_pixels(model.decode_codes(output.quantized.indices))
    assert not decode(soft, tmp_path / "codes.npz", tmp_path / "hard", hard=True).soft
    assert np.abs(read(tmp_path / "hard", new).astype(int) - expected).max() <= 1
    assert np.abs(expected.astype(int) - as_pixels(output.reconstruction)).max() > 1


def test_hard_codes_come_back_as_the_reconstructions(hard: Path, place: Path, tmp_path: Path) -> None:
    done = encode(hard, write_zip(tmp_path / "pictures.zip", files()), tmp_path / "codes.npz", size=64)
    assert done.shape == (16, 16) and done.support_size is None
    with np.load(tmp_path / "codes.npz") as codes:
        assert set(codes.files) == {"about", "names", "indices"}
    decode(hard, tmp_path / "codes.npz", tmp_path / "out")
    names, _, output = own(hard, size=64)
    found = read(tmp_path / "out", [name for name in names if not name.startswith("a/0")])
    expected = as_pixels(output.reconstruction)[2:]
    assert found.shape == expected.shape and np.abs(found.astype(int) - expected).max() <= 1


def test_codes_of_several_stages_come_back(place: Path, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", quantizer="scq", stages=2)
    done = encode(run, place, tmp_path / "codes.npz")
    assert done.shape == (8, 8, 2)
    decode(run, tmp_path / "codes.npz", tmp_path / "out")
    names, _, output = own(run)
    found = read(tmp_path / "out", [name for name in names if not name.startswith("a/0")])
    assert np.abs(found.astype(int) - as_pixels(output.reconstruction)[2:]).max() <= 1


def test_the_commands_say_what_they_did_in_a_line(soft: Path, place: Path, tmp_path: Path, capsys) -> None:
    codes, out = tmp_path / "codes.npz", tmp_path / "out"
    (place / "bad.png").write_bytes(b"no picture")
    assert main(["encode", str(soft), str(place), str(codes)]) == 2
    assert "bad.png is truncated or no picture" in capsys.readouterr().err and not codes.exists()
    assert list(tmp_path.glob(".*")) == []  # nothing half written is left
    assert main(["encode", str(soft), str(place), str(codes), "--on-bad-file", "skip"]) == 0
    said = capsys.readouterr()
    assert "Left out: " in said.err and "bad.png" in said.err
    (line,) = said.out.splitlines()
    assert line.startswith("7 files to 8 x 8 codes of 8 codewords, ") and line.endswith(f"; 1 left out: {codes}")
    assert main(["decode", str(soft), str(codes), str(out)]) == 0
    assert capsys.readouterr().out == f"7 files from soft codes: {out}\n"


@pytest.mark.usefixtures("as_a_user")
def test_what_cannot_be_encoded_is_refused_at_once(soft: Path, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes.npz"
    with pytest.raises(ValueError, match="out is 'x.txt', must end in .npz"):
        encode(soft, place, "x.txt")
    with pytest.raises(FileNotFoundError, match="out is '.*nowhere/x.npz', whose folder must be there"):
        encode(soft, place, tmp_path / "nowhere" / "x.npz")
    with pytest.raises(ValueError, match=r"pictures has shape \(1, 3, 30, 30\), must be .* multiples of 4"):
        encode(soft, write_folder(tmp_path / "one", {"a.png": picture(0, kind="PNG")}), out, size=30)
    with pytest.raises(FileNotFoundError, match="which has no pictures"):
        encode(soft, write_folder(tmp_path / "none", {"a.txt": b"x"}), out)
    with pytest.raises(ValueError, match="none could be read"):
        encode(soft, write_folder(tmp_path / "bad", {"a.png": b"x"}), out, on_bad_file="skip")
    with pytest.raises(ValueError, match="with quantizer 'none', which has no codes"):
        encode(made_run(tmp_path / "plain", quantizer="none"), place, out)
    with pytest.raises(ValueError, match="must be the folder of a run"):
        encode(tmp_path, place, out)
    given = made_run(tmp_path / "given", data="given")
    with pytest.raises(ValueError, match="size is None, must be given"):
        encode(given, place, out)
    assert not out.exists()
    encode(given, place, out, size=32)
    with pytest.raises(FileExistsError, match="codes.npz', which is there, must be new"):
        encode(given, place, out, size=32)


def test_codes_of_another_model_are_refused(soft: Path, hard: Path, place: Path, tmp_path: Path) -> None:
    encode(soft, place, tmp_path / "codes.npz")
    with pytest.raises(ValueError, match=r"which another model wrote \(model vqvae, quantizer scq, .*must be of"):
        decode(hard, tmp_path / "codes.npz", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="out', which is there, must be new"):
        decode(soft, tmp_path / "codes.npz", tmp_path / "out")


def changed(path: Path, to: Path, **arrays: np.ndarray) -> Path:
    with np.load(path) as codes:
        np.savez(to, **{name: codes[name] for name in codes.files} | arrays)
    return to


def test_codes_that_were_changed_are_refused_by_name(soft: Path, place: Path, tmp_path: Path) -> None:
    whole = tmp_path / "codes.npz"
    encode(soft, place, whole)
    with np.load(whole) as codes:
        arrays = {name: codes[name] for name in codes.files}
    names = arrays["names"].copy()
    names[3] = "../x.png"
    wrong = {
        "a path that leads out of it": {"names": names},
        "indices has 0 to 99, must be from 0 to 7": {"indices": np.where(arrays["indices"] == 0, 0, 99).astype("<i4")},
        "support has 0 to 8, must be from 0 to 7": {"support": np.arange(len(arrays["support"]), dtype="<i4") % 9},
        "weights ends too early": {"weights": arrays["weights"][:-1]},
        "names ends too early": {"names": names[:2]},
        "indices is .* float64, must be one or more of <i4": {"indices": arrays["indices"].astype(float)},
        "names is .* object|pickle|Object": {"names": names.astype(object)},
    }
    for number, (message, arrays) in enumerate(wrong.items()):
        path = changed(whole, tmp_path / f"{number}.npz", **arrays)
        with pytest.raises(ValueError, match=message) as caught:
            decode(soft, path, tmp_path / f"out{number}")
        assert str(path) in str(caught.value)
    assert not (tmp_path / "x.png").exists() and not (tmp_path.parent / "x.png").exists()


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_codes_are_refused_by_name(kept: float, soft: Path, place: Path, tmp_path: Path) -> None:
    encode(soft, place, tmp_path / "codes.npz")
    content = (tmp_path / "codes.npz").read_bytes()
    (tmp_path / "part.npz").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=r"part.npz', which is truncated or not what scq encode wrote"):
        decode(soft, tmp_path / "part.npz", tmp_path / "out")
    write_zip(tmp_path / "other.npz", {"x.npy": b"x"})
    with pytest.raises(ValueError, match=r"other.npz', which is truncated or not"):
        decode(soft, tmp_path / "other.npz", tmp_path / "out")


def test_other_kinds_of_data_are_refused_until_somebody_reads_their_files(
    soft: Path, place, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("scq.codes.kinds._KINDS", ())
    with pytest.raises(ValueError, match="run is of a model of pictures, must be of one of"):
        encode(soft, place, tmp_path / "codes.npz")


def test_no_more_than_a_part_is_in_memory(soft: Path, place: Path, tmp_path: Path, monkeypatch) -> None:
    """Seven files are encoded three at a time, and nothing of a part is kept but its names."""
    seen = []
    original = encoding.CodeWriter.add

    def recorded(self, names, indices, weights):
        seen.append(len(names))
        return original(self, names, indices, weights)

    monkeypatch.setattr(encoding.CodeWriter, "add", recorded)
    encode(soft, place, tmp_path / "codes.npz")
    assert seen == [3, 3, 1]
    with zipfile.ZipFile(tmp_path / "codes.npz") as archive:
        assert archive.testzip() is None
