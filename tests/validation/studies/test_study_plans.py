"""The files of plans, and the settings of a study: read, or refused by name."""

from pathlib import Path
from typing import Any

import pytest
from small_studies import plan, plan_file

from scq.validation import StudyConfig
from scq.validation.studies.cells import Choice, final_cells, places
from scq.validation.studies.plans.files import plan_names, read_plan


@pytest.mark.parametrize("name", plan_names())
@pytest.mark.parametrize("quick", [False, True])
def test_the_plans_that_come_with_the_package_can_be_read(name: str, quick: bool) -> None:
    shipped = read_plan(name, quick)
    assert len(final_cells(shipped, Path(), {place: Choice(1e-3) for place in places(shipped)})) > 0
    assert shipped.name == name + "-quick" * quick


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"arms": {"vqq": {}}}, "quantizer is 'vqq', must be one of: scq"),
        ({"arms": {}}, "arms is empty, must name one or more"),
        ({"arms": {"vq": {"lamb": 1}}}, "arms.vq has 'lamb', must be among: "),
        ({"arms": {"vq": {"steps": "many"}}}, "arms.vq.steps is 'many', must be a whole number"),
        ({"arms": {"vq": {"steps": 0}}}, "arms.vq.steps is 0, must be at least 1"),
        ({"arms": {"vq": {"out": "elsewhere"}}}, "arms.vq has out, which is set by the command line"),
        ({"datasets": ["photos", "photos"]}, "datasets is .*, must name one or more, each once"),
        ({"datasets": "photos"}, "datasets is 'photos', must be a list of texts"),
        ({"arms": ["vq"]}, r"arms is \['vq'\], must be a table"),
        ({"slices": 3}, "slices is 3, must be a list of tables"),
        ({"slices": [{"vary": {"lam": [1]}}]}, "slices.vary of vq: lam is 1.0, but applies to quantizer 'scq'"),
        ({"arms": {"vq": {"lam": 0.5}}}, "arms.vq: lam is 0.5, but applies to quantizer 'scq'"),
        ({"arms": {"vq": {"comitment_weight": 0.5}}}, "did you mean 'commitment_weight'"),
        ({"datasets": ["cifar"]}, "data is 'cifar', must be one of: .*did you mean 'cifar10'"),
        ({"datasets": ["photos", "cifar10"], "train": {"size": 64}}, "train: size is 64, but applies to data 'photos'"),
        ({"datasets": ["cifar10"], "slices": [{"vary": {"size": [64]}}]}, "slices.vary of vq: size is 64, but applies"),
        ({"slices": [{"vary": ["lam"]}]}, r"slices.vary is \['lam'\], must be a table"),
        ({"tuning": {"learning_rates": ["1e-3"]}}, r"tuning.learning_rates is \['1e-3'\], must be a list of numbers"),
        ({"stress": {"codebook_size": "8"}}, "stress.codebook_size is '8', must be a whole number"),
        ({"seeds": "three"}, "seeds is 'three', must be a whole number"),
        ({"seeds": True}, "seeds is True, must be a whole number"),
        ({"seeds": 0}, "seeds is 0, must be at least 1"),
        ({"title": None}, "the file has no 'title', which it must have"),
        ({"speed": 1}, "the file has 'speed', must be among: "),
        ({"measures": ["weight"]}, "measures has 'weight', must be among: swap"),
        ({"slices": [{"vary": {"lam": 1.0}}]}, "slices.vary.lam is 1.0, must be a list of values"),
        ({"slices": [{"vary": {"lam": [1]}, "arms": ["scq"]}]}, "slices.arms has 'scq', must be among: vq, none"),
        ({"tuning": {"learning_rates": [0.0]}}, "tuning.learning_rates is .*, must be one or more different numbers"),
        (
            {"tuning": {"learning_rates": [1.0], "where": "here"}},
            "tuning.where is 'here', must be one of: centre, each",
        ),
        (
            {"tuning": {"learning_rates": [1.0], "hard_arms": ["none"]}},
            "tuning.hard_arms has 'none', must be among: vq",
        ),
        ({"stress": {"codebook_size": 0}}, "stress.codebook_size is 0, must be at least 1"),
        ({"stress": {"codebook_size": 16, "arms": ["none"]}}, "stress.arms has 'none', must be among: vq"),
        # What would be overwritten without a word.
        ({"arms": {"vq": {"seed": 1}}}, "arms.vq has seed, which is set by seeds"),
        ({"arms": {"vq": {"learning_rate": 0.1}}}, "arms.vq has learning_rate, which is set by tuning"),
        (
            {"slices": [{"vary": {"learning_rate": [0.1]}}]},
            "slices.vary has learning_rate, which is set by train or an",
        ),
    ],
)
def test_a_wrong_plan_is_refused_by_name(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, **wrong)


def test_a_plan_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="plan is 'quantisers', must be one of: .*quantizers"):
        read_plan("quantisers")


def test_quick_needs_a_quick_version(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no .quick."):
        read_plan(plan_file(tmp_path), quick=True)


@pytest.mark.usefixtures("as_a_user")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jobs": 0}, "jobs is 0, must be at least 1"),
        ({"minutes": 0.0}, "minutes is 0.0, must be finite and > 0, or None"),
        ({"resume": Path("nowhere")}, "resume is 'nowhere'"),
        ({"engine": "steam"}, "engine is 'steam', must be one of: local, ray"),
        ({"name": "a/b"}, "name is 'a/b', must be the name of one folder"),
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudyConfig(**wrong)
