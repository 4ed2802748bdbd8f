"""Every field of every settings class: converted, or refused by name at once."""

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from scq.cli.commands import DataConfig, ReportConfig, TrainCommandConfig
from scq.training import CommonConfig, TrainConfig
from scq.validation import CompareConfig, DemoConfig, GapConfig, StudyConfig

pytestmark = pytest.mark.usefixtures("as_a_user")

CLASSES = (
    CommonConfig,
    TrainConfig,
    TrainCommandConfig,
    GapConfig,
    CompareConfig,
    StudyConfig,
    DemoConfig,
    ReportConfig,
    DataConfig,
)
FIELDS = [(kind, field.name) for kind in CLASSES for field in dataclasses.fields(kind)]
NEEDED = {ReportConfig: {"folder": [Path("x")]}}
APPLIES = {"lpips_weights": {"model": "vqgan", "perceptual": "lpips"}}
"""What else must be set, for a setting to mean anything."""


def made(kind: type, **changes: Any) -> Any:
    return kind(**{**NEEDED.get(kind, {}), **changes})


def hint(kind: type, name: str) -> tuple[Any, ...]:
    one = get_type_hints(kind)[name]
    return tuple(part for part in get_args(one) if part is not type(None)) if type(None) in get_args(one) else (one,)


def of_kind(*wanted: Any) -> list[tuple[type, str]]:
    return [(kind, name) for kind, name in FIELDS if any(one in wanted for one in hint(kind, name))]


def refused(kind: type, name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        made(kind, **{name: value})
    assert str(caught.value).startswith(f"{name} "), caught.value


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_what_is_of_no_kind_is_refused_by_name(kind: type, name: str) -> None:
    refused(kind, name, object())
    refused(kind, name, 3j)
    refused(kind, name, {1})


@pytest.mark.parametrize(("kind", "name"), of_kind(int, float))
def test_a_number_is_no_text_no_truth_and_finite(kind: type, name: str) -> None:
    for value in ("3", True, np.True_, float("nan"), float("inf"), [3]):
        refused(kind, name, value)
    if name != "latents_offset":
        refused(kind, name, -1e300)


@pytest.mark.parametrize(("kind", "name"), of_kind(int))
def test_a_whole_number_has_no_fraction(kind: type, name: str) -> None:
    refused(kind, name, 3.5)
    refused(kind, name, 3.0)
    refused(kind, name, -1)


@pytest.mark.parametrize(("kind", "name"), of_kind(bool))
def test_a_switch_is_true_or_false(kind: type, name: str) -> None:
    for value in (1, "yes", "False"):
        refused(kind, name, value)


@pytest.mark.parametrize(("kind", "name"), of_kind(str))
def test_a_name_is_a_text(kind: type, name: str) -> None:
    for value in (3, b"x", True):
        refused(kind, name, value)


@pytest.mark.parametrize(("kind", "name"), [pair for pair in of_kind(Path) if pair[1] not in ("resume", "data_root")])
def test_a_text_becomes_a_path(kind: type, name: str) -> None:
    assert getattr(made(kind, **APPLIES.get(name, {}), **{name: "some/where"}), name) == Path("some/where")


def test_values_of_other_packages_become_ours() -> None:
    config = TrainConfig(
        steps=np.int64(3), lam=np.float32(0.5), gap=np.False_, clip_norm=2, trackers=["wandb"], name=np.str_("x")
    )
    assert config == TrainConfig(steps=3, lam=0.5, gap=False, clip_norm=2.0, trackers=("wandb",), name="x")
    for name in ("steps", "lam", "gap", "clip_norm", "name"):
        assert type(getattr(config, name)) in (int, float, bool, str)
    assert CompareConfig(sizes=[[8, 4, 6]]) == CompareConfig(sizes=((8, 4, 6),))
    assert CompareConfig(backends=["relaxed"], latents="x") == CompareConfig(backends=("relaxed",), latents=Path("x"))
    assert StudyConfig(plan=Path("my.toml")).plan == "my.toml"


def test_a_text_is_no_list() -> None:
    for kind, name in ((TrainConfig, "trackers"), (CompareConfig, "backends"), (GapConfig, "methods")):
        refused(kind, name, "vq")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": "3"}, "steps is '3', must be a whole number"),
        ({"out": 3}, "out is 3, must be a path"),
        ({"clip_norm": "1"}, "clip_norm is '1', must be a number or None"),
        ({"gap": 1}, "gap is 1, must be True or False"),
        ({"lam": float("nan")}, "lam is nan, must be finite"),
    ],
)
def test_the_message_says_what_it_must_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        TrainConfig(**changes)


def test_settings_of_a_comparison_that_change_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="peer_columns is 8, but applies to backends of other packages alone"):
        CompareConfig(backends=("active_set",), peer_columns=8)
    with pytest.raises(ValueError, match=r"presets is \('low',\), but applies to exact backends alone"):
        CompareConfig(backends=("relaxed",), presets=("low",))
    with pytest.raises(ValueError, match="data_root is 'x', but applies to a download"):
        DataConfig(data_root=Path("x"))
