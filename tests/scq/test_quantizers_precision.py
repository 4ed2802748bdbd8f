"""Training is in float32: the gradient of a trained layer there, against float64 on the same numbers."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scq.data import to_float
from scq.training import load_run, train
from tests.helpers.small_runs import config, few_photos


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Tensor]:
    """A layer after some training on photographs, and 4,096 latents of its encoder."""
    place: Path = tmp_path_factory.mktemp("trained")
    settings = config(
        place, quantizer="scq", codebook_size=64, dim=16, width=16, steps=60, log_every=60, gap=False, trackers=()
    )
    run = train(settings, progress=False)
    _, model = load_run(run.folder)
    with torch.no_grad():
        latents = model.encoder(to_float(few_photos().test))
    rows = latents.movedim(1, -1).reshape(-1, 16)
    return model.quantizer, rows[:4096]


@pytest.mark.parametrize("backend", ["active_set", "interior_point"])
def test_the_gradients_of_a_trained_layer_are_good_to_1e_4(trained: tuple[nn.Module, Tensor], backend: str) -> None:
    layer, latents = trained
    upstream = torch.randn(latents.shape, dtype=torch.float64)
    found = []
    for dtype, settings in ((torch.float32, {"backend": backend}), (torch.float64, {"tol": 1e-11})):
        own = copy.deepcopy(layer).to(dtype)
        own.channel_dim = -1
        for name, value in settings.items():
            setattr(own, name, value)
        x = latents.to(dtype, copy=True).requires_grad_()
        output = own(x)
        ((output.quantized * upstream.to(dtype)).sum() + output.loss).backward()
        found.append([x.grad.double(), own.codebook.grad.double()])
    for ours, right in zip(*found, strict=True):
        assert (ours - right).norm() <= 1e-4 * right.norm()
    worst = (found[0][0] - found[1][0]).norm(dim=1) / found[1][0].norm(dim=1).clamp_min(1e-3)
    assert worst.max() <= 1e-3
