from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scq.validation.comparison.measuring.families import ProblemSpec, read_latents


@pytest.mark.parametrize("family", ["random", "hull"])
def test_a_seed_makes_one_problem_whatever_the_dtype(family: str) -> None:
    wide = ProblemSpec(family, 5, 3, 7, "float64", 0.1, 4).make()
    narrow = ProblemSpec(family, 5, 3, 7, "float32", 0.1, 4).make()
    other = ProblemSpec(family, 5, 3, 7, "float64", 0.1, 5).make()
    assert wide.shape == (5, 3, 7)
    assert torch.equal(wide.latents.float(), narrow.latents)
    assert torch.equal(wide.codebook.float(), narrow.codebook)
    assert not torch.equal(wide.codebook, other.codebook)


def test_hull_latents_lie_near_few_codewords() -> None:
    problem = ProblemSpec("hull", 400, 16, 128, "float64", 0.1, 0).make()
    assert problem.codebook.std().item() == pytest.approx(0.3, rel=0.1)
    # Weights uniform^60 of 128 codewords: about three count, so latents are shorter than codewords but not by much.
    assert 0.4 < (problem.latents.std() / problem.codebook.std()).item() < 0.9


def test_latents_of_a_file_are_chosen_by_seed(tmp_path: Path) -> None:
    latents, codebook = torch.arange(20.0).reshape(10, 2), torch.eye(2)
    path = tmp_path / "latents.safetensors"
    save_file({"latents": latents, "codebook": codebook}, path)
    problem = ProblemSpec("latents", 4, 2, 2, "float64", 0.1, 3, str(path)).make()
    again = ProblemSpec("latents", 4, 2, 2, "float32", 0.1, 3, str(path)).make()
    assert problem.shape == (4, 2, 2)
    assert torch.equal(problem.latents.float(), again.latents)
    assert all(row in latents.tolist() for row in again.latents.tolist())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as a safetensors file"),
        ({"latents": torch.ones(3, 2)}, "must hold latents"),
        ({"latents": torch.ones(3, 2), "codebook": torch.ones(4)}, "must hold latents"),
        ({"latents": torch.ones(3, 2), "codebook": torch.ones(4, 3)}, "F differs"),
    ],
)
def test_a_file_without_a_problem_is_refused_by_name(
    tmp_path: Path, content: dict[str, torch.Tensor] | None, message: str
) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_text("not safetensors") if content is None else save_file(content, path)
    with pytest.raises(ValueError, match=message) as error:
        read_latents(path)
    assert "wrong.safetensors" in str(error.value)
