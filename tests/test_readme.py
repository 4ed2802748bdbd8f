"""The README's example runs as it stands."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_runs_and_shows_the_gap(capsys) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    scope: dict = {}
    exec(compile(example, "README.md", "exec"), scope)
    assert scope["exact"].converged.all()
    assert scope["latents"].grad.isfinite().all()
    assert scope["layer"].codebook.grad.abs().sum() > 0
    assert scope["exact"].residuals.relative.max() < 1e-5 < scope["relaxed"].residuals.relative.max()
    assert "relative KKT residual" in capsys.readouterr().out


def test_every_page_that_is_linked_exists() -> None:
    root = Path(__file__).parents[1]
    linked = re.findall(r"\]\(((?!https?:)[^)]+)\)", README)
    assert linked
    assert [path for path in linked if not (root / path).exists()] == []
