"""One step of training: what accelerate is asked for, against plain torch."""

import math

import pytest
import torch
from small_runs import config, few_photos
from torch.nn.functional import mse_loss

from scq import data, solvers
from scq.models import Objective
from scq.quantizers import SoftConvexQuantizer
from scq.training import acceleration, train
from scq.training.model import build_model, seeds
from scq.training.pooled import PooledNumbers


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    return few


def weights(tmp_path, **changes):
    result = train(config(tmp_path, trackers=(), gap=False, **changes), progress=False)
    return result.model.state_dict(), result.history


def plain(settings, photos, clip=math.inf):
    """The loop as anyone would write it, and the norms of its gradients."""
    model = build_model(settings).train()
    batches = data.batches(photos.train, settings.batch_size, torch.Generator().manual_seed(seeds(settings.seed)[2]))
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    model.calibrate(next(batches))
    norms = []
    for _ in range(settings.steps):
        pictures = next(batches)
        output = model(pictures)
        optimizer.zero_grad()
        (mse_loss(output.reconstruction, pictures) / photos.variance + output.quantized.loss).backward()
        if clip < math.inf:
            norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), clip)))
        optimizer.step()
    return model.state_dict(), norms


def assert_equal(first, second, **tolerance):
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], msg=name, **(tolerance or {"rtol": 0, "atol": 0}))


@pytest.mark.parametrize("quantizer", ["scq", "vq"])
def test_by_default_it_is_the_plain_loop_bit_for_bit(tmp_path, photos, quantizer):
    trained, _ = weights(tmp_path, quantizer=quantizer)
    assert_equal(trained, plain(config(tmp_path, quantizer=quantizer), photos)[0])


def test_long_gradients_are_clipped_and_their_norm_is_logged(tmp_path, photos):
    trained, history = weights(tmp_path, quantizer="vq", clip_norm=0.05, log_every=1)
    expected, norms = plain(config(tmp_path, quantizer="vq"), photos, clip=0.05)
    assert_equal(trained, expected)
    assert [line["train/gradient_norm"] for line in history] == pytest.approx(norms)
    assert min(norms) > 0.05


def test_parts_of_a_batch_do_what_the_whole_batch_does(tmp_path):
    """vq's loss is a mean over latents. Adam would blow rounding up where gradients are near 0: one step."""
    changes = {"quantizer": "vq", "init": "normal", "steps": 1, "batch_size": 8, "clip_norm": 1e9}
    whole, (line,) = weights(tmp_path, **changes)
    parts, (line_of_parts,) = weights(tmp_path, accumulate=4, **changes)
    assert_equal(parts, whole, rtol=0, atol=1e-5)
    for name, value in line.items():
        if not name.startswith("time/"):
            assert line_of_parts[name] == pytest.approx(value, rel=1e-5), name


def test_numbers_of_parts_are_those_of_the_whole_batch(tmp_path):
    changes = {"quantizer": "scq", "init": "normal", "steps": 1, "batch_size": 8}
    (line,), (line_of_parts,) = (
        train(config(tmp_path, trackers=(), accumulate=n, **changes), progress=False).history for n in (1, 4)
    )
    assert line.keys() == line_of_parts.keys()
    for name in ("hard_perplexity", "soft_perplexity", "active_codes", "support_size", "converged_share"):
        assert line_of_parts[f"quantizer/{name}"] == pytest.approx(line[f"quantizer/{name}"], rel=1e-5)
    for name in ("weights_l2", "support_exact", "decoded_mse_relaxed", "kkt_relaxed", "primal_relaxed"):
        assert line_of_parts[f"gap/{name}"] == pytest.approx(line[f"gap/{name}"], rel=1e-4)


def test_latents_that_failed_are_counted_in_all_parts():
    layer = SoftConvexQuantizer(8, 4)
    pooled = PooledNumbers(layer)
    for failing in (3, 1):
        x = torch.randn(10, 4)
        x[:failing] = torch.nan
        quantized = layer(x)
        pooled.add("loss", Objective(quantized.loss, {}, quantized, x), {})
    assert pooled.compute()["quantizer/failed_columns"] == 4


def test_the_gap_is_that_of_the_relaxation_that_is_trained_with(tmp_path):
    """Its exact projection does not leave the simplex; the paper's steps do."""
    changes = {"quantizer": "scq_relaxed", "init": "normal", "steps": 1, "trackers": ()}
    left = {}
    for projection, other in (("alternating", {"relaxation_steps": 1}), ("exact", {})):
        settings = config(tmp_path, relaxation_projection=projection, **changes, **other)
        (line,) = train(settings, progress=False).history
        left[projection] = line["gap/primal_relaxed"]
        assert left[projection] == pytest.approx(line["kkt/primal"], rel=1e-3, abs=1e-6)
    assert left["exact"] < 1e-5 < 1e-3 < left["alternating"]


def test_what_is_annealed_takes_as_many_steps_in_parts(tmp_path):
    changes = {"quantizer": "scq_annealed", "init": "normal", "steps": 4, "anneal_share": 0.5, "lam_end": 40.0}
    for accumulate in (1, 2):
        _, history = weights(tmp_path, accumulate=accumulate, log_every=1, **changes)
        lam = [line["quantizer/lam"] for line in history]
        assert lam[1] < 0.99 * lam[2] and lam[2:] == pytest.approx([40.0, 40.0])


def test_bf16_trains_and_solves_in_float32(tmp_path, monkeypatch, device):
    seen = []
    solve = solvers.solve

    def recorded(problem, *arguments, **options):
        solution = solve(problem, *arguments, **options)
        # Now: later the codebook will have moved.
        seen.append((problem, solution, float(solution.residuals.relative.max())))
        return solution

    monkeypatch.setattr(solvers, "solve", recorded)
    settings = config(tmp_path, precision="bf16", init="normal", steps=2, device=str(device), trackers=())
    result = train(settings, progress=False)
    problem, solution, residual = seen[0]
    assert problem.latents.dtype == problem.codebook.dtype == solution.weights.dtype == torch.float32
    # The network did compute in bf16, and nothing of the solve was rounded to it.
    assert torch.equal(problem.latents, problem.latents.bfloat16().float())
    assert residual < 1e-5
    assert all(value.dtype == torch.float32 for value in result.model.parameters())
    assert "forward" not in vars(result.model)  # a copy would go on calling this one's
    assert result.history[-1]["train/loss"] < 2 * result.history[0]["train/loss"]


def test_bf16_gives_the_codes_that_its_latents_have_in_float32(tmp_path, photos):
    model = build_model(config(tmp_path, init="normal"))
    pictures = data.to_float(photos.train[:8])
    model.calibrate(pictures)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = model(pictures)
    assert output.latents.dtype == torch.bfloat16
    with torch.no_grad():
        assert torch.equal(output.quantized.indices, model.quantizer(output.latents.float()).indices)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_fp16_trains_on_a_gpu_with_a_scaled_loss(tmp_path):
    result = train(config(tmp_path, precision="fp16", device="cuda", checkpoint_every=2), progress=False)
    assert result.history[-1]["train/loss_scale"] > 0
    assert math.isfinite(result.history[-1]["train/loss"])


@pytest.mark.parametrize(
    ("changes", "environment", "message"),
    [
        ({"precision": "fp16"}, {}, "precision is 'fp16', which needs a GPU; on the cpu it must be 'no' or 'bf16'"),
        ({"device": "cuda", "backend": "daqp"}, {}, "device is cuda, must be on cpu for backend 'daqp'"),
        ({"device": "cuda:0"}, {"WORLD_SIZE": "2"}, "device is 'cuda:0', must be auto, cpu or cuda when several"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_written(tmp_path, monkeypatch, changes, environment, message):
    monkeypatch.setattr(acceleration, "pick_device", torch.device)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        train(config(tmp_path, **changes), progress=False)
    assert not (tmp_path / "runs").exists()


def test_runs_of_different_precision_follow_each_other(tmp_path):
    for precision in ("no", "bf16", "no"):
        assert weights(tmp_path, quantizer="none", precision=precision, steps=1)


def test_a_launcher_that_started_one_process_only_is_not_taken_for_more(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.warns(UserWarning, match="accelerate launch started one process"):
        weights(tmp_path, quantizer="none", steps=1)
