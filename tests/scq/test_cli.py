"""The command line, as a user meets it: mostly in processes of its own."""

import os
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

import scq.cli
from scq import solvers
from scq.cli import main
from scq.cli.commands import COMMANDS, BackendsConfig, Command
from scq.cli.listing import show, show_quantizers
from scq.cli.trying import attempt, broken
from scq.quantizers import entries
from scq.solvers import BackendInfo
from scq.solvers.instance import Instance, Result
from scq.training import TrainConfig
from scq.training.run import Run

_TINY = (
    "--steps",
    "2",
    "--batch-size",
    "4",
    "--width",
    "8",
    "--residual-width",
    "4",
    "--codebook-size",
    "8",
    "--dim",
    "4",
)


def _scq(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scq", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, **options)


def _refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a mistake is answered with."""
    assert result.returncode == 2
    assert result.stderr.startswith("scq: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def missing_backend():
    info = solvers.BackendInfo(
        name="absent",
        title="A backend whose package is not here",
        run="nowhere:solve",
        accuracy={"float32": 1e-5, "float64": 1e-9},
        package="package_that_nobody_has",
        install="pip install --no-deps package-that-nobody-has==1.2.3",
    )
    yield solvers.register(info)
    solvers.unregister("absent")


def test_backends_lists_every_registered_backend():
    result = _scq("backends")
    assert result.returncode == 0
    for info in solvers.backends():
        assert info.name in result.stdout
    assert result.stdout.rstrip().splitlines()[-1].endswith("backends can be used here.")


def test_quantizers_lists_every_registered_quantizer_with_its_parts():
    result = _scq("quantizers")
    assert result.returncode == 0
    for entry in entries():
        assert entry.name in result.stdout
        if entry.parts:
            assert all(part in result.stdout for part in (entry.parts.codebook, *entry.parts.regularizers))


@pytest.mark.parametrize("width", [80, 140])
def test_quantizers_fit_the_terminal(width, capsys):
    show_quantizers(entries(), Console(width=width))
    printed = capsys.readouterr().out
    assert all(len(line) <= width for line in printed.splitlines()) and "…" not in printed


@pytest.mark.parametrize(
    "arguments", [["quantizers"], ["train", "--help"], ["gap", "--help"], ["train", "--lam", "-1"]]
)
def test_answers_that_need_no_numbers_import_no_torch(arguments):
    code = (
        "import sys\nfrom scq.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("width", [80, 140])
def test_backends_fit_the_terminal_and_give_the_install_command_whole(width, missing_backend, capsys):
    show(solvers.backends(), Console(width=width))
    *lines, command, last = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in lines if " is missing: " not in line)
    assert missing_backend.install in command
    available = sum(info.available for info in solvers.backends())
    assert last == f"{available} of {len(solvers.backends())} backends can be used here."


def test_a_backend_that_is_installed_and_does_not_work_is_shown_as_broken(capsys):
    def breaks(problem: Instance, *, tol: float, max_iter: int | None = None) -> Result:
        raise OSError("libgurobi.so.12: cannot open shared object file")

    accuracy = {"float32": 1e-5, "float64": 1e-9}
    wrong = BackendInfo(name="wrong", title="breaks", run=breaks, accuracy=accuracy, citation="-")
    solvers.register(wrong)
    try:
        infos = [wrong, solvers.registry.get("active_set")]
        found = broken([attempt(info) for info in infos])
        assert list(found) == ["wrong"]
        show(infos, Console(width=140), found)
    finally:
        solvers.unregister("wrong")
    printed = capsys.readouterr().out
    assert re.search(r"wrong +yes .* broken *$", printed, re.M)
    assert "wrong is broken: OSError: libgurobi.so.12: cannot open shared object file" in printed
    assert printed.rstrip().endswith("1 of 2 backends can be used here.")


def test_help_names_every_command_and_every_option():
    result = _scq("--help")
    assert result.returncode == 0
    assert all(command.name in result.stdout for command in COMMANDS)
    options = _scq("gap", "--help").stdout
    # Those of the nested training configuration too, by the name that they have in `scq train`.
    assert "--methods" in options
    assert "--codebook-size" in options


def test_help_says_what_an_option_applies_to():
    shown = _scq("train", "--help").stdout
    assert "Applies to quantizer 'scq_annealed' alone." in " ".join(shown.replace("│", " ").split())


def test_help_of_a_quantizer_has_no_option_that_it_has_no_use_for():
    shown = _scq("train", "--quantizer", "vq", "--help").stdout
    assert "--commitment-weight" in shown and "--steps" in shown
    assert "--lam" not in shown and "--relaxation-steps" not in shown


def test_alone_the_command_shows_its_help() -> None:
    assert _scq().returncode == 0
    assert _scq().stdout == _scq("--help").stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("d", {"data", "decode", "demo", "doctor"}),
        ("train --quantize", {"--quantizer"}),
        ("gap --methods r", {"relaxed"}),
    ],
)
def test_bash_completes_commands_options_and_choices(words, completed, tmp_path):
    script = tmp_path / "completion"
    script.write_text(_scq("--tyro-print-completion", "bash").stdout)
    typed = f"COMP_WORDS=(scq {words}); COMP_CWORD={len(words.split())}; COMP_LINE='scq {words}'"
    ask = f"source {script}; {typed}; _tyro_scq; echo ${{COMPREPLY[*]}}"
    answer = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60)
    assert set(answer.stdout.split()) == completed


def test_the_version_is_that_of_the_installation() -> None:
    assert _scq("--version").stdout == f"scq {scq.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["trian"], "trian"),
        (["train", "--lamm", "1"], "--lam"),
        (["train", "--lam", "much"], "'much'"),
        (["train", "--lam", "-1"], "lam is -1.0, must be finite and > 0"),
        (["train", "--quantizer", "vq", "--lam", "1"], "lam is 1.0, but applies to quantizer 'scq'"),
        (["train", "--backend", "gurobi"], "interior_point"),
        (["gap", "--methods", "vqgan"], "relaxed"),
        (["compare", "--sizes", "1", "2"], "--sizes"),
        (["report"], "folder is missing, must be at least one"),
    ],
)
def test_a_wrong_argument_is_answered_with_one_line(arguments, named, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("scq: ")
    assert said.count("\n") == 1
    assert named in said


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_mistakes_are_in_one_line_whatever_the_encoding(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    said = _refused(_scq("train", "--lamm", "1", env=environment))
    assert said == "scq: Unrecognized options: --lamm, 1; did you mean '--lam'?\n"


def test_a_long_path_is_named_unbroken_in_a_narrow_terminal(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("COLUMNS", "40")
    path = tmp_path / ("long" * 30) / "deep"
    assert main(["gap", "--resume", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_an_unknown_backend_in_a_process_of_its_own():
    assert "interior_point" in _refused(_scq("compare", "--backends", "gurobi"))


def test_a_report_of_a_folder_that_is_not_there(tmp_path):
    assert "nowhere" in _refused(_scq("report", str(tmp_path / "nowhere")))


def test_data_that_is_not_there(tmp_path, as_a_user, capsys):
    assert main(["train", *_TINY, "--data", "cifar10", "--data-root", str(tmp_path), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "scq data cifar10" in said
    assert said.count("\n") == 1
    assert not any(tmp_path.iterdir())  # refused before a run was begun


def test_a_missing_backend_is_answered_with_its_install_command(missing_backend, as_a_user, capsys, tmp_path):
    assert main(["train", *_TINY, "--backend", "absent", "--out", str(tmp_path)]) == 2
    assert missing_backend.install in capsys.readouterr().err


def test_train_ends_with_a_summary_and_the_path_of_the_run(tmp_path):
    result = _scq("train", *_TINY, "--no-gap", "--name", "mine", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    summary, path = result.stdout.splitlines()[-2:]
    assert summary.startswith("2 steps of scq on photos; held-out pictures: PSNR ")
    assert path == "Run: runs/mine"
    assert (tmp_path / "runs" / "mine" / "test.json").is_file()


def test_going_on_with_a_run_takes_its_settings_and_refuses_others(tmp_path, capsys):
    """A default that is given counts as given."""
    Run(tmp_path).write_config(TrainConfig(batch_size=16, quantizer="vq"))
    for option, value in (("--batch-size", "64"), ("--lam", "0.2")):
        assert main(["train", "--resume", str(tmp_path), option, value]) == 2
        said = capsys.readouterr().err
        assert option[2:].replace("-", "_") in said and f"must not be given {value}" in said and said.count("\n") == 1


def test_going_on_with_what_is_no_run_is_refused(tmp_path, capsys):
    assert main(["train", "--resume", str(tmp_path / "nowhere")]) == 2
    assert "nowhere', must be the folder of a run" in capsys.readouterr().err


def test_a_run_that_has_finished_may_be_resumed_without_harm(tmp_path, capsys):
    out = str(tmp_path / "runs")
    assert main(["train", *_TINY, "--quantizer", "vq", "--batch-size", "8", "--name", "mine", "--out", out]) == 0
    first = capsys.readouterr().out.splitlines()[-2:]
    assert main(["train", "--resume", f"{out}/mine", "--batch-size", "8"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == first


def _failing(error: BaseException):
    def run(config: BackendsConfig) -> None:
        raise error

    return (Command("backends", BackendsConfig, "", run), *COMMANDS[1:])


def test_interruption_has_its_own_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(scq.cli, "COMMANDS", _failing(KeyboardInterrupt()))
    assert main(["backends"]) == 130
    assert capsys.readouterr().err == "scq: interrupted\n"


@pytest.mark.parametrize("error", [FileNotFoundError("no data"), PermissionError("no\nright")])
def test_files_out_of_reach_are_the_users_mistake_wherever_they_are_noticed(error, monkeypatch, capsys):
    monkeypatch.setattr(scq.cli, "COMMANDS", _failing(error))
    assert main(["backends"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("from another package"), RuntimeError("a bug")])
def test_a_bug_keeps_its_traceback(error, monkeypatch):
    monkeypatch.setattr(scq.cli, "COMMANDS", _failing(error))
    with pytest.raises(type(error)):
        main(["backends"])


def test_a_slip_in_our_own_code_is_no_mistake_of_the_users(monkeypatch):
    # The innermost frame is in scq.cli.listing, but no raise statement: nobody refused an argument.
    def run(config: BackendsConfig) -> None:
        show(None, Console())  # pyrefly: ignore

    monkeypatch.setattr(scq.cli, "COMMANDS", (Command("backends", BackendsConfig, "", run), *COMMANDS[1:]))
    with pytest.raises(TypeError):
        main(["backends"])
