"""The README's examples run as they stand."""

import re
from pathlib import Path

import pytest
import torch

import scq

README = (Path(__file__).parents[1] / "README.md").read_text()


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_loop_and_the_solve_run_and_show_the_gap(capsys: pytest.CaptureFixture) -> None:
    scope: dict = {}
    for block in BLOCKS[:2]:
        assert len([line for line in block.splitlines() if line.strip()]) <= 15
        exec(compile(block, "README.md", "exec"), scope)
    assert scope["weights"].sum(-1).sub(1).abs().max() < 1e-5
    assert scope["quantizer"].codebook.grad.abs().sum() > 0
    assert scope["exact"].converged.all()
    assert scope["exact"].residuals.relative.max() < 1e-5 < scope["relaxed"].residuals.relative.max()
    assert "relative KKT residual" in capsys.readouterr().out


def test_the_ten_tasks_are_ten_and_each_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tasks = BLOCKS[2]
    assert [int(number) for number in re.findall(r"(?:# |, )(\d+)\. ", tasks)] == list(range(1, 11))
    scope: dict = {"scq": scq, "torch": torch}
    exec(compile(tasks, "README.md", "exec"), scope)
    assert type(scope["model"].quantizer).__name__ == "ComposedQuantizer" and len(scope["losses"]) == 3
    assert scope["codes"].shape == (32, 8, 8) and scope["decoded"].shape == scope["pictures"].shape
    assert scope["indices"][1, 7:].eq(0).all()
    assert torch.equal(scope["soft"].codebook, scope["model"].quantizer.codebook)
    assert not any(parameter.requires_grad for parameter in scope["token_layer"].parameters())
    loaded = torch.export.load("layer.pt2").module()
    x = torch.randn(2, 8, 6, 6)
    assert torch.equal(loaded(x).indices, scope["picture_layer"](x).indices)


def test_every_page_that_is_linked_exists() -> None:
    root = Path(__file__).parents[1]
    linked = re.findall(r"\]\(((?!https?:)[^)]+)\)", README)
    assert linked
    assert [path for path in linked if not (root / path).exists()] == []
