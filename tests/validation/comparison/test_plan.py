"""Which cells a comparison has, and what each asks of its backend."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scq.solvers.registry import get
from scq.validation import CompareConfig
from scq.validation.comparison.plan import cells, key

TINY = {"families": ("hull",), "sizes": ((16, 4, 12),), "dtypes": ("float64",)}


def named(config: CompareConfig, sources: tuple[Path, ...] = ()) -> list[tuple[str, str, str]]:
    return [(cell.info.name, cell.variant, cell.preset) for cell in cells(config, sources)]


def test_an_exact_backend_has_a_cell_for_each_tolerance_and_each_variant() -> None:
    config = CompareConfig(("active_set", "relaxed", "qpth"), presets=("low", "high"), **TINY)
    assert named(config) == [
        ("active_set", "", "low"),
        ("active_set", "", "high"),
        ("relaxed", "", ""),
        ("qpth", "", "low"),
        ("qpth", "", "high"),
        ("qpth", "Q passed once", ""),
        ("qpth", "in float32", ""),
    ]
    assert len({key(cell.row) for cell in cells(config, ())}) == 7


def test_without_presets_the_promise_is_the_tolerance_and_variants_can_be_left_out() -> None:
    config = CompareConfig(("qpth",), variants=False, **TINY)
    (cell,) = cells(config, ())
    assert cell.tol == get("qpth").accuracy["float64"]
    assert cell.options == {"tol": cell.tol}


def test_a_preset_makes_the_backend_follow_it_and_a_variant_is_taken_as_it_is() -> None:
    config = CompareConfig(("qpth", "relaxed"), presets=("mid",), **TINY)
    preset, once, _, relaxed = cells(config, ())
    assert preset.options == {"tol": 1e-6, "follow_tol": True}
    assert once.options == {"tol": math.inf, "expand": False, "as_given": True}
    assert (once.tol, once.curved, preset.curved) == (1e-9, False, True)
    assert (relaxed.tol, relaxed.options) == (None, {"tol": None})


def dump(folder: Path, step: int, **metadata: str) -> Path:
    path = folder / f"step-{step:06d}.safetensors"
    save_file({"latents": torch.ones(10, 3), "codebook": torch.eye(5, 3)}, path, {"step": str(step)} | metadata)
    return path


def test_a_dumped_problem_has_its_own_step_and_lam(tmp_path: Path) -> None:
    sources = [dump(tmp_path, 100, lam="0.25"), dump(tmp_path, 200)]
    config = CompareConfig(("relaxed",), families=(), latents=tmp_path, dtypes=("float32",), lam=0.5)
    first, second = (cell.spec for cell in cells(config, sources))
    assert (first.step, first.lam, first.columns, first.features, first.codewords) == (100, 0.25, 10, 3, 5)
    assert (second.step, second.lam) == (200, 0.5)
    assert float(first.make().lam) == 0.25


@pytest.mark.parametrize(("said", "message"), [("much", "must have numbers"), ("-1.0", "must be finite and > 0")])
def test_a_dump_with_a_wrong_lam_is_refused_by_name(tmp_path: Path, said: str, message: str) -> None:
    source = dump(tmp_path, 7, lam=said)
    config = CompareConfig(("relaxed",), families=(), latents=tmp_path)
    with pytest.raises(ValueError, match=f"step-000007.safetensors.*{message}"):
        list(cells(config, [source]))


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"presets": ("tight",)}, "presets has 'tight', must be among: low, mid, high"),
        ({"backends": ("relaxed", "relaxed")}, "backends is .*, must name each once"),
        ({"resume": Path("nowhere")}, "resume is 'nowhere', must be the folder of an earlier call"),
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CompareConfig(**wrong)
