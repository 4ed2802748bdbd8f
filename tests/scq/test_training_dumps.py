"""The problems of a training, written while it runs."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from small_runs import config, few_photos

from scq import data
from scq.diagnostics import measure_gap
from scq.quantizers import SoftConvexQuantizer
from scq.quantizers.calls import recorded
from scq.training import train
from scq.training.dumps import dump, dumped
from scq.validation.comparison.measuring.latents import problem_files


@pytest.fixture(autouse=True)
def _photos(monkeypatch: pytest.MonkeyPatch) -> None:
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)


def test_a_dump_is_the_problem_that_was_solved_at_its_step(tmp_path):
    result = train(config(tmp_path, dump_every=2, lam=0.3), progress=False)
    files = dumped(result.folder / "problems")
    assert [path.name for path in files] == ["step-000002.safetensors", "step-000004.safetensors"]
    assert problem_files(result.folder / "problems") == files
    for path, line in zip(files, result.history[1:], strict=True):
        with safe_open(path, "pt") as file:
            assert file.metadata() == {"lam": "0.3", "step": str(line["step"])}
        gap = measure_gap(**load_file(path), lam=0.3)
        for name in ("weights_l1", "quantization_mse_exact", "support_relaxed"):
            assert gap[name] == pytest.approx(line[f"gap/{name}"], rel=1e-5)


@pytest.mark.parametrize("quantizer", ["vq", "none"])
def test_what_has_no_programme_cannot_be_told_to_dump(tmp_path, quantizer):
    with pytest.raises(ValueError, match="dump_every is 1, but applies to soft convex quantizers alone"):
        config(tmp_path, dump_every=1, steps=1, quantizer=quantizer)


def test_dumping_changes_nothing_in_the_training(tmp_path):
    results = [train(config(tmp_path, dump_every=every), progress=False) for every in (0, 1)]
    weights = [load_file(result.folder / "model.safetensors") for result in results]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_large_batch_is_thinned_evenly(tmp_path):
    layer = SoftConvexQuantizer(8, 2, channel_dim=1)
    latents = torch.arange(20_000.0).reshape(1, 100, 100, 2).movedim(-1, 1)
    with recorded(layer) as calls:
        layer(latents)
    dump(tmp_path, 7, *calls)
    (path,) = dumped(tmp_path / "problems")
    kept = load_file(path)["latents"]
    assert kept.shape == (3334, 2)
    assert torch.equal(kept[:, 0], torch.arange(0.0, 20_000, 6))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_dumps_are_in_the_order_of_their_steps(tmp_path):
    for step in (1_000_000, 900, 20):
        (tmp_path / f"step-{step:06d}.safetensors").touch()
    assert [int(path.stem[5:]) for path in dumped(tmp_path)] == [20, 900, 1_000_000]
