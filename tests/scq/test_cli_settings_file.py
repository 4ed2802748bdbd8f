"""Settings from a TOML file, and the one that every run leaves."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from scq.cli import main
from scq.cli.commands import COMMANDS, TrainCommandConfig
from scq.cli.parsing import parse
from scq.quantizers import entries
from scq.solvers import plugins
from scq.training import TrainConfig
from scq.training.run import Run
from scq.training.settings import from_mapping
from scq.training.toml import as_toml


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parsed(*arguments: str) -> Any:
    return parse(COMMANDS, arguments)[1]


AWKWARD = Path('a "quoted" \\ path\tof ünïcode \x7f [0]')


@pytest.mark.parametrize(
    "config",
    [
        *(TrainConfig(quantizer=entry.name) for entry in entries()),
        TrainConfig(quantizer="scq_annealed", lam=1e-5, lam_end=1e7, anneal_share=1.0, gap=False),
        TrainConfig(trackers=(), clip_norm=0.5, name="mine", out=AWKWARD, seed=2**62, precision="bf16"),
        TrainConfig(data="folder", data_root=AWKWARD, quantizer="linear+nearest+rotation"),
        TrainConfig(quantizer="scq", relaxation_projection="exact", trackers=("tensorboard", "wandb")),
    ],
    ids=lambda config: config.quantizer,
)
def test_the_file_of_a_run_repeats_it(config: TrainConfig) -> None:
    Run(Path()).write_config(config)
    assert from_mapping(TrainConfig, tomllib.loads(Path("run.toml").read_text())) == config == Run(Path()).config
    found = parsed("train", "--config", "run.toml")
    assert isinstance(found, TrainCommandConfig) and TrainConfig(**_shared(found)) == config


def _shared(config: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(config).items() if name not in ("resume", "preset")}


def test_the_file_has_what_applies_and_nothing_else() -> None:
    text = as_toml(TrainConfig(quantizer="vq", gap=False), "1.2")
    assert {"commitment_weight", "codebook_size", "steps"} <= tomllib.loads(text).keys()
    assert not {"lam", "backend", "decay", "data_root", "clip_norm"} & tomllib.loads(text).keys()
    assert text.startswith("# scq 1.2; to repeat the run: scq train --config run.toml\n")


def test_the_file_says_which_modules_the_run_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugins.VARIABLE, "mine")
    assert as_toml(TrainConfig(), "1.2").splitlines()[0].endswith("scq train --config run.toml --import mine")


def test_options_go_before_the_file_and_the_file_before_defaults() -> None:
    Path("run.toml").write_text('quantizer = "vq_ema"\ndecay = 0.5\nsteps = 7\n')
    for option in (["--config", "run.toml"], ["--config=run.toml"]):
        found = parsed("train", "--steps", "9", *option)
        assert (found.quantizer, found.decay, found.steps, found.batch_size) == ("vq_ema", 0.5, 9, 64)
    with pytest.raises(ValueError, match="decay is 0.5, but applies to quantizer 'vq_ema' alone"):
        parsed("train", "--config", "run.toml", "--quantizer", "vq")


def test_other_commands_take_a_file_too() -> None:
    Path("gap.toml").write_text('methods = ["exact", "vq"]\nsteps = 3\nlam = 0.2\n')
    found = parsed("gap", "--config", "gap.toml", "--lam", "0.3")
    assert (found.methods, found.train.steps, found.train.lam) == (("exact", "vq"), 3, 0.3)
    Path("compare.toml").write_text('backends = ["active_set"]\nsizes = [[8, 2, 4], [16, 2, 4]]\nvariants = false\n')
    found = parsed("compare", "--config", "compare.toml")
    assert (found.sizes, found.variants, found.name) == (((8, 2, 4), (16, 2, 4)), False, "compare")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "config is 'my.toml', must be a TOML file with settings (there is no such file)"),
        ("steps = ", "config is 'my.toml', which is no TOML: "),
        ("setps = 3", "config is 'my.toml', which has 'setps', must be among: "),
        ("batch-size = 3", "did you mean 'batch_size'?"),
        ("resume = 'runs/x'", "config is 'my.toml', which has 'resume', must be among: "),
        ("[quantizer]\nlam = 1.0", "'my.toml': quantizer is {'lam': 1.0}, must be a text"),
        ("steps = '3'", "'my.toml': steps is '3', must be a whole number"),
        ("lam = -1", "'my.toml': lam is -1.0, must be finite and > 0"),
        ("quantizer = 'vqe'", "quantizer is 'vqe', must be one of: scq, "),
    ],
)
def test_a_wrong_file_is_answered_with_one_line(
    content: str | None, said: str, capsys: pytest.CaptureFixture, as_a_user: None
) -> None:
    if content is not None:
        Path("my.toml").write_text(content)
    assert main(["train", "--config", "my.toml"]) == 2
    answer = capsys.readouterr().err
    assert said in answer and answer.startswith("scq: ") and answer.count("\n") == 1


def test_what_is_gone_on_with_takes_no_file(capsys: pytest.CaptureFixture) -> None:
    Run(Path()).write_config(TrainConfig())
    assert main(["train", "--resume", ".", "--config", "run.toml"]) == 2
    assert "resume is '.', which has its settings, so that config must not be given" in capsys.readouterr().err


def test_help_beside_a_file_leaves_out_what_its_quantizer_has_no_use_for(capsys: pytest.CaptureFixture) -> None:
    Path("run.toml").write_text('quantizer = "vq"\nsteps = 7\n')
    with pytest.raises(SystemExit):
        main(["train", "--config", "run.toml", "--help"])
    shown = capsys.readouterr().out
    assert "--lam" not in shown and "(default: 7)" in shown


def test_help_of_gap_has_no_option_that_it_sets_itself_or_no_method_has_use_for(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["gap", "--help"])
    shown = capsys.readouterr().out
    assert "--commitment-weight" in shown and "--relaxation-steps" in shown
    assert not {"--quantizer", "--validation-share", "--decay", "--lam-end"} & set(shown.split())


@pytest.mark.parametrize(
    ("command", "groups"),
    [
        ("train", ("data", "quantizer", "solver", "model", "optimiser", "run", "output")),
        ("gap", ("data", "quantizer", "solver", "model", "optimiser", "run", "output")),
        ("compare", ("backend", "problem", "timing", "output")),
        ("study", ("plan", "worker", "output")),
        ("demo", ("output",)),
    ],
)
def test_the_options_of_every_command_are_in_groups(
    command: str, groups: tuple[str, ...], capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    places = [shown.index(f" {group} options ") for group in groups]
    assert places == sorted(places)
