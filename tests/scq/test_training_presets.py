"""Presets stand in place of the defaults: what is given beside them wins."""

import json
from pathlib import Path

import pytest

from scq.cli.commands import COMMANDS, GapCommandConfig, TrainCommandConfig
from scq.cli.parsing import parse
from scq.training import TrainConfig
from scq.training.presets import get, preset, presets


def parsed(*words: str):
    return parse(COMMANDS, [*words])[1]


@pytest.mark.parametrize("name", [one.name for one in presets()])
def test_a_preset_is_a_configuration_with_its_settings(name: str) -> None:
    config = preset(name)
    assert isinstance(config, TrainConfig)
    for setting, value in get(name).settings.items():
        assert getattr(config, setting) == value
    # The pictures become latents, and the discriminator can see them.
    assert config.size % 2 ** (len(config.multipliers) - 1) == 0 and config.size >= 3 * 2**config.disc_layers


def test_options_beside_a_preset_win_wherever_they_stand() -> None:
    for words in (["--preset", "cifar10", "--disc-layers", "2"], ["--disc-layers", "2", "--preset", "cifar10"]):
        config = parsed("train", *words, "--batch-size", "6", "--accumulate", "3")
        assert isinstance(config, TrainCommandConfig)
        assert (config.disc_layers, config.batch_size, config.dim, config.data) == (2, 6, 256, "cifar10")


@pytest.mark.usefixtures("as_a_user")
def test_what_of_it_means_nothing_beside_an_option_is_left_aside_and_what_is_given_refused() -> None:
    config = parsed("train", "--preset", "small", "--disc-weight", "0")
    assert (config.disc_weight, config.disc_weight_max, config.width) == (0, 1e4, 32)
    assert preset("small", disc_weight=0.0) == TrainConfig(**{f: getattr(config, f) for f in vars(preset("small"))})
    with pytest.raises(ValueError, match="disc_layers is 2, but applies to a discriminator"):
        parsed("train", "--preset", "small", "--disc-weight", "0", "--disc-layers", "2")
    with pytest.raises(ValueError, match="preset is 'smal', must be one of: small, .*; did you mean 'small'"):
        parsed("train", "--preset", "smal")


def test_paired_runs_take_one_too() -> None:
    config = parsed("gap", "--preset", "small", "--disc-weight", "0", "--methods", "exact", "vq")
    assert isinstance(config, GapCommandConfig)
    assert (config.train.model, config.train.width, config.train.disc_weight_max) == ("vqgan", 32, 1e4)
    assert config.methods == ("exact", "vq")


@pytest.mark.usefixtures("as_a_user")
def test_what_was_begun_takes_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="preset is 'small', must not be given with resume"):
        parsed("gap", "--preset", "small", "--resume", str(tmp_path))
    (tmp_path / "mine.toml").write_text("steps = 3\n")
    with pytest.raises(ValueError, match="preset is 'small', must not be given with config"):
        parsed("train", "--preset", "small", "--config", str(tmp_path / "mine.toml"))
    (tmp_path / "config.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="preset is 'small', must not be given with resume"):
        parsed("train", "--preset", "small", "--resume", str(tmp_path))
