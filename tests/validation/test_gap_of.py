"""One measurement of the gap: what a study measures on a checkpoint is what the run itself logged."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import mse_loss

from scq import data, solvers
from scq.diagnostics import gap_of
from scq.quantizers import VectorQuantizer
from scq.quantizers.calls import recorded
from scq.quantizers.codebooks import Spherical
from scq.quantizers.regularizers import KNNL2
from scq.quantizers.soft_convex import SoftConvexQuantizer
from scq.training import TrainConfig, build_model, train
from scq.training.dumps import PROBLEMS, dump
from scq.training.model import seeds
from scq.validation.studies.measures import Trained, measure

TINY = TrainConfig(
    steps=2,
    batch_size=6,
    width=8,
    residual_width=4,
    residual_layers=1,
    dim=4,
    codebook_size=8,
    log_every=1,
    lam=0.3,
    quantization_weight=0.7,
    relaxation_steps=5,
    device="cpu",
)
PICTURES = torch.randint(0, 256, (30, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES = data.ImageData("noise", PICTURES, PICTURES[:4].clone(), "noise")


@pytest.mark.parametrize(
    "changes",
    [
        {"quantizer": "scq"},
        {"quantizer": "scq_relaxed"},
        {"quantizer": "scq_annealed", "anneal_share": 0.1, "lam_end": 3.0},
        {"quantizer": "direct+scq+knn_l2"},
    ],
    ids=lambda changes: changes["quantizer"],
)
def test_a_studys_gap_on_a_checkpoint_is_the_runs_own_log_at_that_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict
) -> None:
    """The gap logged at step 3 is that of the model after 2 steps, on the third batch. Pictures, latents and the data's
    variance: each changes the direction of the gradients when it is forgotten."""
    images = IMAGES
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: images)
    config = dataclasses.replace(TINY, out=tmp_path, **changes)
    *_, logged = train(dataclasses.replace(config, steps=3), progress=False).history
    checkpoint = Trained(train(config, progress=False).folder, config)

    stream = data.batches(PICTURES, config.batch_size, torch.Generator().manual_seed(seeds(config.seed)[2]))
    third = [next(stream) for _ in range(4)][-1]  # the first one calibrates the encoder
    images = data.ImageData("noise", PICTURES, ((third + 0.5) * 255).round().to(torch.uint8), "noise")
    (found,) = (point for point in measure("relaxations", checkpoint)["points"] if point["steps"] == 5)
    for name in found.keys() - {"steps", "seconds"}:
        assert found[name] == pytest.approx(logged[f"gap/{name}"], rel=1e-4, abs=1e-7), name


def test_the_gradients_are_those_of_the_loss_that_trains() -> None:
    """Against the layers themselves with a regulariser, trained by the loss of the loop."""
    config = dataclasses.replace(TINY, relaxation_steps=3)
    model = build_model(config).double()
    layer = SoftConvexQuantizer(
        8, 4, 0.2, channel_dim=1, quantization_weight=0.6, regularizers=[KNNL2(0.3, neighbours=3)]
    ).double()
    model.quantizer = layer
    pictures = data.to_float(PICTURES[:3]).double()
    model.meet(IMAGES)
    gap = gap_of(model, pictures, config)
    latents = model.encode(pictures).detach().requires_grad_()
    gradients = []
    for backend, options in (("active_set", {}), ("relaxed", {"steps": 3})):
        layer.backend, layer.backend_options = backend, options
        output = layer(latents)
        loss = mse_loss(model.decode(output.quantized), pictures) / IMAGES.variance + output.loss
        gradients.append([g.flatten() for g in torch.autograd.grad(loss, (latents, layer.codebook))])
    for name, a, b in zip(("latents", "codebook"), *gradients, strict=True):
        assert gap[f"gradient_{name}_cosine"] == pytest.approx(float(a @ b / (a.norm() * b.norm())))
        assert gap[f"gradient_{name}_ratio"] == pytest.approx(float(b.norm() / a.norm()))


def test_each_side_is_solved_as_the_quantizer_or_the_settings_say() -> None:
    config = dataclasses.replace(TINY, relaxation_steps=20, relaxation_projection="exact")
    model = build_model(config).eval()
    model.meet(IMAGES)
    pictures = data.to_float(PICTURES[:3])
    gap = gap_of(model, pictures, config)
    latents = model.encode(pictures).detach().movedim(1, -1).reshape(-1, 4)
    problem = solvers.Problem(latents, model.quantizer.codebook.detach(), 0.3)
    relaxed = solvers.solve(problem, "relaxed", projection="exact")
    assert gap["kkt_relaxed"] == pytest.approx(float(relaxed.residuals.relative.max()))
    assert gap_of(model, pictures, config, projection="alternating", steps=3)["primal_relaxed"] > 1e-4

    model.quantizer.backend = "interior_point"
    model.quantizer.tol = 1e-3
    loose = solvers.solve(problem, "interior_point", tol=1e-3)
    assert gap_of(model, pictures, config)["kkt_exact"] == pytest.approx(float(loose.residuals.relative.max()))


def test_a_quantizer_that_solves_nothing_has_no_gap() -> None:
    model = build_model(TINY)
    model.quantizer = VectorQuantizer(8, 4, channel_dim=1)
    with pytest.raises(TypeError, match="VectorQuantizer, must have a SoftConvexQuantizer"):
        gap_of(model, data.to_float(PICTURES[:3]), TINY)


def test_what_is_dumped_is_what_was_solved(tmp_path: Path) -> None:
    """A codebook on the sphere normalises the latents first."""
    layer = SoftConvexQuantizer(8, 4, codebook=Spherical())
    x = 3 * torch.randn(10, 4)
    with recorded(layer) as calls:
        layer(x)
    dump(tmp_path, 1, *calls)
    found = load_file(tmp_path / PROBLEMS / "step-000001.safetensors")
    solution = solvers.solve(solvers.Problem(found["latents"], found["codebook"], 0.1))
    torch.testing.assert_close(solution.reconstruction, layer(x).quantized)
