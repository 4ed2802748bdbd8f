"""A setting that is accepted changes the training; one that would not is refused, whatever the quantizer."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_vqgan import SIZES, pictures
from tiny_runs import TINY, few

from scq import data
from scq.diagnostics import gap_of
from scq.quantizers import entries
from scq.quantizers.registry import get
from scq.training import CommonConfig, TrainConfig, build_model, train
from scq.training.applicability import ignored, rules
from scq.training.folder import write_json
from scq.training.run import Run

QUANTIZERS = [entry.name for entry in entries()] + [
    "linear+nearest+rotation",
    "ema+nearest",
    "direct+scq+knn_l2",
    "direct+scq_relaxed",
    "linear+scq_annealed",
    "diagonal+gumbel",
    "direct+softmax+entropy",
]

FEW = ("scq", "scq_relaxed", "scq_annealed", "vq", "none", "fsq", "gumbel")
"""All of them are slow: a training each."""

BY_QUANTIZER: dict[str, Any] = {
    "backend": "interior_point",
    "lam": 0.7,
    "lam_end": 30.0,
    "anneal_share": 0.4,
    "temperature": 0.7,
    "temperature_end": 0.2,
    "decay": 0.9,
    "revive_below": 0.3,
    "relaxation_steps": 2,
    "relaxation_projection": "exact",
    "on_failure": "raise",
    "codebook_size": 32,
    "groups": 2,
    "stages": 2,
    "init": "uniform",
    "quantization_weight": 0.4,
    "commitment_weight": 0.6,
    "regularizer_weight": 0.3,
    "neighbours": 3,
}
"""Another value of each setting that depends on the quantizer."""

BY_TRAINING: dict[str, Any] = {
    "data": "gtsrb",
    "size": 16,
    "dim": 3,
    "latents_offset": 1.0,
    "width": 6,
    "residual_width": 3,
    "residual_layers": 2,
    "steps": 4,
    "batch_size": 3,
    "accumulate": 2,
    "learning_rate": 1e-2,
    "clip_norm": 0.1,
    "precision": "bf16",
    "seed": 1,
    "log_every": 1,
    "trackers": (),
    "gap": False,
    "dump_every": 1,
    "validation_share": 0.25,
    "out": Path("elsewhere"),
    "name": "mine",
}
"""Another value of each of the rest, which is seen in a run's folder."""

BY_VQGAN: dict[str, Any] = {
    "multipliers": (1, 1),
    "attention": False,
    "perceptual": "features",
    "perceptual_weight": 0.5,
    "disc_weight": 0.4,
    "disc_adaptive": False,
    "disc_weight_max": 0.1,
    "disc_start_share": 1.0,
    "disc_warmup_share": 0.5,
    "disc_layers": 2,
    "disc_width": 6,
    "generator_term": "non_saturating",
    "ema_decay": 0.5,
}
"""Another value of each setting of the model vqgan."""

UNSEEN = {
    "model": "a model each; test_models_vqgan.py, test_models_text.py and test_models_wav2vec2.py have the others",
    "lpips_weights": "there are none here; test_perceptual.py reads a file",
    "quantizer": "what is varied here",
    "data_root": "test_a_root_of_data_without_one_is_refused",
    "transformer_layers": "of wav2vec2; test_models_wav2vec2.py has it",
    "rate": "of speech; test_models_wav2vec2.py and test_data_speech.py have it",
    "on_bad_file": "test_data_lazy.py has it; noise has no files",
    "workers": "they change nothing but the time",
    "device": "auto and cpu are the same where there is no GPU",
    "stage_dropout": "test_training_stacked.py has it, with several stages",
    "samples_every": "nothing is trained otherwise; test_training_trackers.py sees what is shown",
    "checkpoint_every": "checkpoints are cleared at the end of a run; test_training_resume.py has them",
}
"""Settings that these tests do not see the effect of, and why."""

STEPS = 6


def common(**changes: Any) -> CommonConfig:
    """Small, with a step long enough ago for what is annealed to have moved."""
    return CommonConfig(**{**TINY, "steps": STEPS, "device": "cpu", "relaxation_steps": 4, **changes})


def seen(config: TrainConfig) -> str:
    """Everything that two steps on two pictures of noise show of a quantizer."""
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, 32, 32) - 0.5
    model = build_model(config).train()
    model.meet(few("noise"))
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    numbers = []
    for _ in range(2):
        output = model.objective(pictures, "loss")
        if config.gap and get(config.quantizer).convex:
            gap = gap_of(model, pictures, config, output=output)
            numbers += [f"{name} {value:.6g}" for name, value in gap.items() if name != "seconds"]
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        numbers += [float(output.loss.detach()), *(float(part.detach().double().sum()) for part in model.parameters())]
    return f"{model.quantizer!r} {numbers}"


def accepted(shared: CommonConfig, quantizer: str, name: str, value: object) -> TrainConfig | None:
    try:
        return shared.of(quantizer, **{name: value})
    except ValueError as error:
        said = str(error)
    assert said.startswith(f"{name} is {value!r}, but applies to ")
    return None


def test_every_setting_is_looked_at() -> None:
    listed = [*BY_QUANTIZER, *BY_TRAINING, *BY_VQGAN, *UNSEEN]
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(TrainConfig))
    of_the_model = {"latents_offset", "width", "residual_width", "residual_layers"}
    own = {
        "stage_dropout",
        "dump_every",
        "samples_every",
        "data_root",
        "size",
        "on_bad_file",
        "workers",
        "transformer_layers",
        "rate",
        "lpips_weights",
    }
    assert {*BY_QUANTIZER, *BY_VQGAN, *of_the_model, *own} == set(rules(TrainConfig))


@pytest.mark.slow
def test_every_setting_of_the_vqgan_changes_its_training() -> None:
    def after_two_steps(**changes: Any) -> list[float]:
        small = {**SIZES, "disc_start_share": 0.5, "disc_warmup_share": 0.0, "codebook_size": 8, "dim": 4}
        model = build_model(CommonConfig(model="vqgan", **{**small, **changes}).of("vq")).train()
        optimizers, x = model.optimizers(1e-3), data.to_float(pictures(4)).repeat(1, 1, 2, 2)
        for step in (1, 2):
            model.before_step(step, 2)
            for name, optimizer in optimizers.items():
                model.zero_grad()
                model.objective(x, name).loss.backward()
                optimizer.step()
            model.after_step(step)
        return [float(part.detach().double().sum()) for part in model.parameters()]

    left = {"none": after_two_steps(perceptual="none"), "features": after_two_steps()}
    assert left["none"] == after_two_steps(perceptual="none") and left["none"] != left["features"]
    for name, value in BY_VQGAN.items():
        if name != "perceptual":
            perceptual = "features" if name == "perceptual_weight" else "none"
            assert after_two_steps(perceptual=perceptual, **{name: value}) != left[perceptual], name


@pytest.mark.parametrize(
    "quantizer", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in QUANTIZERS]
)
def test_a_setting_of_the_quantizer_changes_the_training_or_is_refused(quantizer: str) -> None:
    variants = [{"gap": True}, {"gap": False}]
    if "backend" in get(quantizer).settings:
        variants.append({"gap": False, "backend": "relaxed"})
    taken = set()
    for variant in variants:
        shared = common(**variant)
        before = seen(shared.of(quantizer))
        for name, value in BY_QUANTIZER.items():
            config = accepted(shared, quantizer, name, value)
            if config is not None:
                taken.add(name)
                assert seen(config) != before, f"{name} changes nothing of {quantizer} with {variant}"
    # None is refused that the quantizer takes by its entry.
    settled = {"anneal_steps": "anneal_share"}
    assert {settled.get(name, name) for name in get(quantizer).settings} <= taken


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", ["scq", "vq"])
def test_any_other_setting_changes_the_training_or_is_refused(
    quantizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "load", few)
    monkeypatch.chdir(tmp_path)
    shared = CommonConfig(**TINY | {"steps": 3}, device="cpu", out=tmp_path / "runs")
    before = _left(train(shared.of(quantizer), progress=False).folder)
    for name, value in BY_TRAINING.items():
        if (quantizer, name) == ("vq", "gap"):
            continue  # not to measure what there is not
        config = accepted(shared, quantizer, name, value)
        if config is None:
            assert (quantizer, name) == ("vq", "dump_every")
            continue
        left = _left(train(config, progress=False).folder)
        if name == "out":
            assert (tmp_path / "elsewhere").is_dir()
        elif name == "name":
            assert (tmp_path / "runs" / "mine").is_dir()
        elif name == "data":
            assert Run(tmp_path / "runs" / f"gtsrb-{quantizer}").config.data == "gtsrb"
        else:
            assert left != before, name


def _left(folder: Path) -> tuple[object, ...]:
    """What a run leaves, but for the clock and its settings."""
    log = [{name: v for name, v in line.items() if not name.startswith("time/")} for line in Run(folder).log()]
    weights = {name: float(value.double().sum()) for name, value in load_file(folder / "model.safetensors").items()}
    places = {path.relative_to(folder).parts[0] for path in folder.rglob("*")}
    return repr(log), weights, sorted(places), (folder / "test.json").read_text()


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relaxation_steps": 5, "gap": False}, "relaxation_steps is 5, but applies to quantizer 'scq_relaxed'"),
        ({"quantizer": "vq", "lam": 0.5}, r"lam is 0.5, but applies to quantizer 'scq', .*\(quantizer is 'vq'\)"),
        ({"quantizer": "vq", "dump_every": 1}, "dump_every is 1, but applies to soft convex quantizers alone"),
        ({"quantizer": "none", "codebook_size": 9}, "codebook_size is 9, but applies to quantizers with codewords"),
        ({"data": "cifar10", "size": 64}, r"size is 64, but applies to data 'photos', .* \(data is 'cifar10'\)"),
        ({"residual_layers": 0, "residual_width": 9}, "residual_width is 9, but applies to residual blocks"),
        (
            {"quantizer": "scq_relaxed", "relaxation_projection": "exact", "relaxation_steps": 5},
            "relaxation_steps is 5, but applies to relaxation_projection 'alternating' alone",
        ),
    ],
)
def test_the_message_names_the_setting_its_value_and_what_it_applies_to(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


def test_a_root_of_data_without_one_is_refused() -> None:
    with pytest.raises(ValueError, match="data_root is 'x', but applies to data in a folder"):
        TrainConfig(data_root=Path("x"))
    assert TrainConfig(data="cifar10", data_root=Path("x")).data_root == Path("x")
    with pytest.raises(ValueError, match="root is 'x', must not be given: data set 'photos'"):
        data.load("photos", "x")


def test_the_relaxed_backend_takes_the_settings_of_the_relaxation() -> None:
    config = TrainConfig(backend="relaxed", gap=False, relaxation_steps=5)
    assert build_model(config).quantizer.backend_options["steps"] == 5


def test_of_common_settings_each_quantizer_has_those_that_apply_to_it() -> None:
    shared = CommonConfig(lam=0.3, commitment_weight=0.7, steps=7)
    assert (shared.of("scq").lam, shared.of("scq").commitment_weight) == (0.3, CommonConfig.commitment_weight)
    assert (shared.of("vq").lam, shared.of("vq").commitment_weight, shared.of("vq").steps) == (0.1, 0.7, 7)
    for first, second in itertools.pairwise(("scq", "vq", "none")):
        assert ignored(shared.of(first)) == {} == ignored(shared.of(second))


def test_an_older_run_with_settings_that_changed_nothing_is_read_as_what_it_did(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"quantizer": "vq", "lam": 0.5, "steps": 3})
    assert Run(tmp_path).config == TrainConfig(quantizer="vq", steps=3)
