"""The map of the gap against the definition, written out."""

from pathlib import Path

import pytest
import torch

from scq import data, solvers
from scq.training import TrainConfig, build_model
from scq.validation.paired.gap_map import load_gap_map, save_gap_map
from scq.validation.paired.plots.gap_map import _edges

CONFIG = TrainConfig(
    dim=4, codebook_size=8, width=8, residual_width=4, residual_layers=1, init="normal", lam=0.2, relaxation_steps=3
)


def test_every_latent_has_the_distance_of_its_two_solutions(tmp_path: Path) -> None:
    model = build_model(CONFIG).eval()
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    save_gap_map(tmp_path, model, images, CONFIG)
    found = load_gap_map(tmp_path)
    assert found is not None
    assert (found.pictures == images.permute(0, 2, 3, 1).numpy()).all()
    assert found.shown.tolist() == list(range(6))

    latent = model.encode(data.to_float(images))[4, :, 2, 7].detach()
    problem = solvers.Problem(latent[None], model.quantizer.codebook.detach(), 0.2)
    exact, relaxed = solvers.solve(problem).weights, solvers.solve(problem, "relaxed", steps=3).weights
    assert found.distance[4, 2, 7] == pytest.approx(float((exact - relaxed).norm()), rel=1e-4)
    assert found.support_exact[4, 2, 7] == int((exact > 1e-6).sum())
    assert found.support_relaxed[4, 2, 7] == int((relaxed > 1e-6).sum())
    grey = images[4, :, 8:12, 28:32].double().mean(0) / 255
    assert found.contrast[4, 2, 7] == pytest.approx(float(grey.std(correction=0)), rel=1e-3)


def test_a_run_without_a_map_has_none(tmp_path: Path) -> None:
    assert load_gap_map(tmp_path) is None


@pytest.mark.parametrize("largest", [0, 1, 49, 151, 262_144])
def test_every_support_has_a_bin(largest: int) -> None:
    edges = _edges(largest)
    assert edges[0] == 0.5
    assert edges[-1] > largest
    assert len(edges) < 102
