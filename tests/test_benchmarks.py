"""The benchmarks with tiny sizes: what they write, not how fast anything is."""

import csv
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import common
import pytest

from scq.validation.common.measuring.timing import Repeated

TINY: dict[str, dict[str, Any]] = {
    "targets": {"TARGETS": (((64, 4, 16), (1e9, 1e8), (1e-9, 1e-10)),), "LARGE": (8, 4, 64)},
    "peers": {"SIZES": {(4, 16): 2}, "OURS": 4},
    "training": {"SIZES": ((4, 8),), "WARM": 1, "STEPS": 2},
    "growth": {
        "CENTRE": {"N": 16, "F": 4, "K": 16},
        "VALUES": {"N": (8, 16, 32), "F": (2, 4, 8), "K": (8, 16, 32)},
    },
    "regularizers": {"SIZES": ((16, 32),)},
}


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results and the page go there."""
    page = tmp_path / "speed.md"
    page.write_text("before\n" + "".join(f"<!-- {name} -->\nold\n<!-- end -->\n" for name in (*TINY, "large")))
    monkeypatch.setattr(common, "PAGE", page)
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    return page


def tiny(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = importlib.import_module(name)
    for constant, value in TINY[name].items():
        monkeypatch.setattr(module, constant, value)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_writes_medians_with_the_range_of_its_rounds(
    name: str, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tiny(name, monkeypatch)
    if name == "growth":
        monkeypatch.setattr(module, "PAGE", page)
    if name == "peers":  # the other packages' are for the machine that publishes
        ours = [info for info in module.backends() if info.package is None]
        monkeypatch.setattr(module, "backends", lambda: ours)
    rounds = [module.measure(), module.measure()]
    module.publish(rounds)
    text = page.read_text()
    written = text[text.index(f"<!-- {name} -->") :].split("<!-- end -->")[0]
    assert "Median (smallest to largest) of 2 rounds, each in a process of its own." in written
    assert " to " in written.splitlines()[-4]
    with (page.parent / f"{name}.csv").open() as file:
        lines = list(csv.DictReader(file))
    ranged = [heading.removesuffix(", minimum") for heading in lines[0] if heading.endswith(", minimum")]
    assert ranged
    for line in lines:
        for heading in ranged:
            if line[f"{heading}, minimum"]:
                low, middle, high = (float(line[heading + end]) for end in (", minimum", "", ", maximum"))
                assert 0 < low <= middle <= high or name == "growth"  # an exponent of tiny sizes may be below 0
    assert "old" in text or name == "targets"


@pytest.mark.slow
def test_each_round_is_a_process_and_the_ratio_is_of_one_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    script = tmp_path / "counted.py"
    script.write_text(
        "import os, common\ncommon.run(lambda: {'row': {'process': float(os.getpid())}}, lambda rounds: None)\n"
    )
    rounds = common.in_rounds(script)
    assert len({one["row"]["process"] for one in rounds}) == common.ROUNDS >= 2
    found = common.together([{"row": {"a": 1.0, "b": 2.0}}, {"row": {"a": 9.0, "b": 3.0}}])["row"]
    assert found["a"].over(found["b"]) == Repeated((0.5, 3.0))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.2, 0.4), "aim"),
        ((0.4, 0.9), "pass"),
        ((0.9, 1.1), "open: in the range"),
        ((1.2, 1.4), "short by 30%"),
    ],
)
def test_a_target_within_the_range_is_neither_reached_nor_missed(values: tuple[float, ...], said: str) -> None:
    assert common.verdict(Repeated(values), 1.0, 0.5) == said
