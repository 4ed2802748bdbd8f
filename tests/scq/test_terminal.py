"""What is said where there is no terminal, and of names that a terminal does not have."""

import io
import subprocess
import sys

import pytest
from small_runs import config, few_photos

from scq import data
from scq.training import train
from scq.training.progress import TrainingProgress
from scq.training.terminal import say
from scq.validation.common.progress import CellProgress


def test_without_a_terminal_each_line_of_the_log_is_said(tmp_path, monkeypatch, capsys):
    few = few_photos()
    monkeypatch.setattr(data, "load", lambda name, root=None, **settings: few)
    history = train(config(tmp_path, quantizer="scq", name="mine")).history
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(history) == 3
    for line, logged in zip(said, history, strict=True):
        numbers = f"loss {logged['train/loss']:.4f}  KKT {logged['kkt/relative']:.1e}"
        assert line.startswith(f"mine: step {logged['step']} of 4  {numbers}  0:00:0")
        assert line.endswith(" left")


def test_in_a_terminal_the_bar_says_it_and_asked_for_silence_nothing_does(monkeypatch, capsys):
    for terminal, disable in ((True, False), (False, True)):
        monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR")
        bar = TrainingProgress("mine", 4, 0, disable)
        bar.step()
        bar.show({"step": 1, "train/loss": 1.0})
        cells = CellProgress("whole", 2, disable)
        cells.end("one", "done")
        assert capsys.readouterr().out == ""


def test_without_a_terminal_each_cell_is_said_with_the_time_that_the_others_will_take(monkeypatch, capsys):
    clock = iter([100.0, 160.0])
    monkeypatch.setattr("scq.validation.common.progress.time.monotonic", lambda: next(clock))
    cells = CellProgress("whole", 4, disable=False)
    cells.skip()
    cells.begin("two")
    cells.end("two", "done")
    assert capsys.readouterr().out == "whole: 2 of 4  two: done  0:02:00 left\n"


def test_lines_come_when_they_are_said_though_nobody_looks():
    code = "import sys\nfrom scq.training.terminal import say\nsay('now')\nsys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"now\n"
    process.communicate()


@pytest.mark.parametrize(
    ("encoding", "printed"), [("utf-8", "[red]é \\udcff [/]\n".encode()), ("ascii", b"[red]\\xe9 \\udcff [/]\n")]
)
def test_a_name_that_the_terminal_cannot_print_is_escaped(encoding, printed, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    say("[red]é \udcff [/]")
    assert stream.buffer.getvalue() == printed


@pytest.mark.parametrize("variables", [{}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_the_command_line_prints_bytes_that_are_no_text_as_they_came(variables):
    code = "from scq.training.terminal import print_anything\nprint_anything()\nprint('\\u2014b\\udcff')"
    environment = {"PYTHONCOERCECLOCALE": "0", "PYTHONPATH": ":".join(sys.path), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout in ("\u2014b".encode() + b"\xff\n", b"\\u2014b\xff\n")
