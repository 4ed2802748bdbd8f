"""What is installed: one package with one name, whatever else lies in the user's project."""

import email
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from installed import environment, everything, linked, said

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

SOLVED = """
import torch, scq
from scq import solvers, validation
assert scq.__file__.startswith({place!r}), scq.__file__
solution = solvers.solve(solvers.Problem(torch.randn(20, 4), torch.randn(8, 4)))
assert bool(solution.converged.all())
quantized = scq.SoftConvexQuantizer(8, 4)(torch.randn(20, 4)).quantized
assert validation.CompareConfig().name == "compare"
"""


def _run(folder: Path, *arguments: str, **variables: str) -> str:
    environment = os.environ | {"COLUMNS": "200"} | variables
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _build(kind: str, source: Path, into: Path) -> Path:
    _run(source, "-m", "hatchling", "build", "-t", kind, "-d", str(into))
    (built,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A user's project whose folders and files have the names of our parts."""
    for name in ("solvers", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the project of the user')")
    (tmp_path / "validation.py").write_text("raise ImportError('the project of the user')")
    return tmp_path


def test_the_wheel_takes_one_name(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"scq"}


def test_the_wheel_has_every_file_of_the_three_folders(wheel: Path) -> None:
    kept = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("scq", "solvers", "validation"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".toml", ".html", ".css", ".js") or path.name == "py.typed":
                inside = path.relative_to(ROOT).as_posix()
                assert (inside if folder == "scq" else f"scq/{inside}") in kept


def test_the_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = _build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as opened:
        # Python 3.11 has it since 3.11.4.
        opened.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (source,) = (path for path in tmp_path.iterdir() if path.name.startswith("scq-"))
    again = _build("wheel", source, tmp_path / "again")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_tells_type_checkers_that_it_has_types(wheel: Path) -> None:
    assert "scq/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_the_description_leads_to_the_repository_from_a_package_index(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(opened.read(name))
    assert metadata["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"\]\(([^)]+)\)", metadata.get_payload())
    assert [link for link in links if not link.startswith("https://")] == []
    (picture,) = re.findall(r"!\[[^]]*\]\(([^)]+)\)", metadata.get_payload())
    place = picture.removeprefix("https://raw.githubusercontent.com/scq-toolkit/scq/main/")
    assert (ROOT / place).read_bytes().startswith(b"\x89PNG")
    own = [link.partition("/blob/main/")[2] for link in links if "/scq-toolkit/scq/blob/main/" in link]
    assert own and all((ROOT / file).is_file() for file in own)


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with what ``pip install scq`` brings, and no more."""
    folder = tmp_path_factory.mktemp("base")
    return environment(folder / "venv", wheel, linked(folder / "packages", PROJECT["dependencies"]))


BASE = """
import importlib, pkgutil, sys
import torch, scq
from scq import quantizers, solvers
assert scq.__file__.startswith({place!r}), scq.__file__
assert scq.__version__ == {version!r}, scq.__version__
peers = {{info.run.partition(":")[0] for info in solvers.backends() if info.package}}
for package in (solvers, quantizers):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        # Triton comes with a torch for GPUs, where alone its kernels are imported.
        if module.name not in peers and not module.name.startswith("scq.solvers.fused."):
            importlib.import_module(module.name)
assert not {{"rich", "tyro", "accelerate", "matplotlib"}} & set(sys.modules)
solution = solvers.solve(solvers.Problem(torch.randn(20, 4), torch.randn(8, 4)))
assert bool(solution.converged.all())
for name in ("scq", "vq", "vq_ema"):
    layer = scq.quantizer(name, codebook_size=8, dim=4)
    latents = torch.randn(20, 4, requires_grad=True)
    layer(latents).quantized.sum().backward()
    assert latents.grad.isfinite().all()
layer, codebook = scq.SoftConvexQuantizer(8, 4), layer.codebook.detach()
with scq.Monitor(layer) as monitor:
    layer(latents)
assert monitor.history["gap/weights_l2"][0] > 0
assert scq.measure_gap(latents, codebook)["weights_l2"] > 0
model = scq.Autoencoder(scq.quantizer("scq", 8, 4, channel_dim=1), dim=4, width=8, residual_width=4)
assert model(torch.rand(1, 3, 32, 32)).reconstruction.shape == (1, 3, 32, 32)
assert scq.training.TrainConfig().quantizer == "scq"
asked_for = (
    lambda: scq.train,
    lambda: scq.data.load("photos"),
    lambda: model.evaluate(None),
    lambda: scq.validation.demo,
)
for asked in asked_for:
    try:
        asked()
    except scq.MissingExtraError as error:
        print(error)
"""


@pytest.mark.slow
def test_solvers_and_layers_need_no_extra_and_the_rest_names_its_own(base: Path, crowded: Path) -> None:
    code = BASE.format(place=str(base.parent), version=PROJECT["version"])
    training, data, evaluation, validation = said(crowded, base / "python", "-c", code).splitlines()
    assert training == data == evaluation
    assert training.startswith("not installed: accelerate, PIL, ")
    assert training.endswith('run: pip install "scq[train]"')
    assert validation.endswith('run: pip install "scq[train,report]"')


@pytest.mark.slow
def test_the_command_without_its_extra_says_so_in_one_line(base: Path, crowded: Path) -> None:
    for program in ([base / "scq"], [base / "python", "-m", "scq"]):
        (line,) = said(crowded, *program, "train", code=2).splitlines()
        assert line.startswith("scq: not installed: accelerate, ")
        assert line.endswith('run: pip install "scq[train,report]"')


@pytest.mark.slow
def test_training_needs_no_extra_but_its_own(wheel: Path, crowded: Path) -> None:
    packages = linked(crowded / "packages", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"])
    scq = environment(crowded / "venv", wheel, packages) / "scq"
    said(crowded, scq, "train", "--steps", "1", "--width", "8", "--residual-width", "4", "--batch-size", "4")
    assert (crowded / "runs" / "photos-scq" / "test.json").is_file()
    assert 'run: pip install "scq[report]"' in said(crowded, scq, "gap", code=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_runs_from_another_folder(wheel: Path, crowded: Path) -> None:
    programs = environment(crowded / "venv", wheel, everything())
    assert said(crowded, programs / "scq", "--version") == f"scq {PROJECT['version']}\n"
    said(crowded, programs / "scq", "demo", "--quick", "--out", "shown", timeout=840)
    assert len(list((crowded / "shown").rglob("report/index.html"))) == 1


def test_a_checkout_that_is_not_installed_has_a_version(crowded: Path) -> None:
    _run(crowded, "-S", "-c", "import scq; assert scq.__version__ == '0+unknown'", PYTHONPATH=str(ROOT))


@pytest.mark.slow
def test_a_wheel_installed_elsewhere_works_beside_names_of_its_parts(wheel: Path, crowded: Path) -> None:
    site = crowded / "site"
    _run(crowded, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel))
    _run(crowded, "-c", SOLVED.format(place=str(site)), PYTHONPATH=str(site))
    assert "active_set" in _run(crowded, "-m", "scq", "backends", PYTHONPATH=str(site))


def test_a_checkout_works_beside_names_of_its_parts(crowded: Path) -> None:
    _run(crowded, "-c", SOLVED.format(place=str(ROOT)), PYTHONPATH=str(ROOT))
