"""What a study measures on a trained run, against direct computations."""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from scq import data, solvers
from scq.models import Autoencoder
from scq.training import CommonConfig, build_model, evaluate, train
from scq.training import run as runs
from scq.validation.paired.held_out import swapped
from scq.validation.studies.measures import Trained, measure
from scq.validation.studies.measures.rate import quantized

TINY = CommonConfig(
    steps=2,
    batch_size=4,
    width=8,
    residual_width=4,
    residual_layers=1,
    dim=4,
    codebook_size=8,
    log_every=1,
    gap=False,
    device="cpu",
)

Run = Callable[[str], Trained]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained runs by quantizer, each trained once, on few pictures."""
    out, runs = tmp_path_factory.mktemp("runs"), {}

    def trained(quantizer: str) -> Trained:
        if quantizer not in runs:
            config = TINY.of(quantizer, out=out)
            runs[quantizer] = Trained(train(config, progress=False).folder, config)
        return runs[quantizer]

    return trained


@pytest.fixture(autouse=True, scope="module")
def _few_pictures():
    pictures = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def few(name: str, root: Path | None = None, **settings: object) -> data.ImageData:
        return data.ImageData(name, pictures, pictures[:12].clone(), "noise")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", few)
        yield


@pytest.mark.parametrize(("quantizer", "other"), [("scq", "relaxed"), ("scq_relaxed", "exact")])
def test_the_swap_changes_the_solver_and_nothing_else(run: Run, quantizer: str, other: str) -> None:
    trained = run(quantizer)
    found = measure("swap", trained)
    assert found["solver"] == other
    # The other method's model, with these weights.
    names = {"exact": "scq", "relaxed": "scq_relaxed"}
    rebuilt = build_model(dataclasses.replace(trained.config, quantizer=names[other]))
    rebuilt.load_state_dict(trained.model().state_dict())
    expected = evaluate(rebuilt, trained.images.test)
    assert evaluate(swapped(trained.run), trained.images.test) == found["test"]
    assert found["test"]["mse"] == pytest.approx(expected["mse"], rel=1e-6)
    assert found["test"]["hard_perplexity"] == pytest.approx(expected["hard_perplexity"])


@pytest.mark.parametrize("name", ["swap", "relaxations"])
def test_what_needs_a_solver_says_nothing_of_other_quantizers(run: Run, name: str) -> None:
    assert measure(name, run("vq")) == {}
    assert measure(name, run("none")) == {}


def test_the_relaxation_is_nearer_the_simplex_with_more_steps(run: Run) -> None:
    points = measure("relaxations", run("scq"))["points"]
    assert [point["steps"] for point in points] == [1, 5, 20, 200, None]
    primal = [point["primal_relaxed"] for point in points]
    assert primal[:3] == sorted(primal[:3], reverse=True)
    assert primal[2] > 1e-5 > max(primal[3:])  # in float32
    # The exact side is the same whatever it is compared with.
    assert len({point["quantization_mse_exact"] for point in points}) == 1


def test_dumped_problems_are_solved_again_by_every_exact_backend(tmp_path: Path) -> None:
    config = TINY.of("scq_annealed", dump_every=1, lam_end=0.4, out=tmp_path)
    trained = Trained(train(config, progress=False).folder, config)
    points = measure("replays", trained)["points"]
    names = [info.name for info in solvers.backends() if info.exact and info.available]
    assert [(point["step"], point["backend"]) for point in points] == [
        (step, name) for step in (1, 2) for name in names
    ]
    ours = [point for point in points if point["backend"] in ("active_set", "interior_point")]
    assert all(point["relative"] < 1e-9 and point["converged_share"] == 1 for point in ours)
    # What the first one was given is what the run logged: the first lam, before the schedule went on.
    with safe_open(trained.run / "problems" / "step-000001.safetensors", "pt") as file:
        assert float(file.metadata()["lam"]) == pytest.approx(runs.Run(trained.run).log()[0]["quantizer/lam"]) == 0.1


def test_without_dumps_there_is_nothing_to_replay(run: Run) -> None:
    assert measure("replays", run("scq")) == {}


def test_hard_codes_cost_their_entropy_and_err_as_evaluated(run: Run) -> None:
    for quantizer in ("vq", "scq"):
        trained = run(quantizer)
        first, *soft = measure("rate", trained)["points"]
        test = evaluate(trained.model(), trained.images.test)
        assert first["cap"] == 1
        assert first["bits"] == pytest.approx(math.log2(test["hard_perplexity"]))
        assert first["mse"] == pytest.approx(test["hard_mse"], rel=1e-5)
        assert [point["cap"] for point in soft] == ([2, 4, 8, 16] if quantizer == "scq" else [])


def test_all_weights_at_8_bits_err_nearly_as_the_weights_themselves(run: Run) -> None:
    trained = run("scq")
    points = measure("rate", trained)["points"]
    assert points[-1]["cap"] > 8  # all of K 8
    assert points[-1]["mse"] == pytest.approx(evaluate(trained.model(), trained.images.test)["mse"], rel=1e-2)
    assert [point["bits"] for point in points] == sorted(point["bits"] for point in points)


def test_sent_weights_are_the_largest_at_8_bits() -> None:
    weights = torch.tensor([[0.5, 0.3, 0.2, 0.0], [1.0, 0.0, 0.0, 0.0], [0.001, 0.0, 0.0, 0.999]])
    sent, number = quantized(weights, 2)
    # 0.625 and 0.375 of 255 levels are 159 and 96; 0.001 of them rounds to 0.
    assert torch.equal(sent[0], torch.tensor([159 / 255, 96 / 255, 0, 0]))
    assert torch.equal(sent[1:], torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1.0]]))
    assert number.tolist() == [2, 1, 1]
    # The relaxation leaves negative weights: not sent, and not counted either.
    sent, number = quantized(torch.tensor([[0.6, 0.5, -0.1, 0.0]]), 4)
    assert torch.equal(sent[0], torch.tensor([139 / 255, 116 / 255, 0, 0]))
    assert number.tolist() == [2]


class Slowed(Trained):
    """A run whose model takes at least so long for a forward pass."""

    SECONDS = 0.1

    def model(self) -> Autoencoder:
        model = super().model()
        model.encoder.register_forward_pre_hook(lambda *_: time.sleep(self.SECONDS))
        return model


@pytest.mark.slow
def test_the_cost_is_of_this_model(run: Run, tmp_path: Path) -> None:
    small = measure("cost", run("scq"))
    timed = {"forward", "plain_forward", "step", "plain_step"}
    assert set(small) == timed | {"memory", "pictures", "threads", "load"}
    assert all(len(small[name]) == 7 and min(small[name]) > 0 for name in timed)
    assert small["memory"] > 0
    slow = measure("cost", Slowed(run("scq").run, run("scq").config))
    assert all(min(slow[name]) > Slowed.SECONDS for name in timed)
    config = TINY.of("scq", width=256, residual_width=128, out=tmp_path)
    large = measure("cost", Trained(train(config, progress=False).folder, config))
    assert large["memory"] > small["memory"]


@pytest.mark.slow
def test_stages_and_groups_are_measured_each_and_their_bits_added(tmp_path: Path) -> None:
    config = TINY.of("scq", groups=2, stages=2, out=tmp_path)
    trained = Trained(train(config, progress=False).folder, config)
    model, pictures = trained.model(), trained.images.test
    codes = model.encode_to_codes(data.to_float(pictures)).reshape(-1, 4)
    shares = [own.bincount(minlength=8) / len(own) for own in codes.T]
    first, *soft = measure("rate", trained)["points"]
    assert first["bits"] == pytest.approx(sum(float(torch.special.entr(own).sum()) for own in shares) / math.log(2))
    test = evaluate(model, pictures)
    assert first["mse"] == pytest.approx(test["hard_mse"], rel=1e-5)
    assert soft[-1]["mse"] == pytest.approx(test["mse"], rel=1e-2)
    found = measure("swap", trained)
    assert found["solver"] == "relaxed" and found["test"] == evaluate(swapped(trained.run), pictures)
    primal = [point["primal_relaxed/1/0"] for point in measure("relaxations", trained)["points"]]
    assert primal[:3] == sorted(primal[:3], reverse=True)
