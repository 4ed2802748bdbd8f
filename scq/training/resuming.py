"""What makes a run survive: its checkpoints at the right moments, and words for the moment it ends early."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from shlex import quote

import torch
from torch import nn

from scq.quantizers import processes
from scq.training import checkpoint
from scq.training import folder as folders
from scq.training.log import MetricLog
from scq.training.state import TrainingState, serialised
from scq.training.terminal import say

_WHOLE: ContextVar[str | None] = ContextVar("the command that goes on with the whole", default=None)
"""Of what the run is a part of; None for a run of its own."""


def save(state: TrainingState, folder: Path, log: MetricLog | None) -> None:
    """A checkpoint, by the first process; all of them must call it."""
    if log:
        state.elapsed = log.elapsed
    files = state.files()
    if log:
        with writing(folder, state.step):
            log.sync()
            checkpoint.write(folder, state.step, files)


def restore(state: TrainingState, folder: Path, device: torch.device, first: bool) -> None:
    """Puts the state where the newest whole checkpoint has it, if there is one, and cuts the log there."""
    found, damaged = checkpoint.newest(folder)
    if first:
        for error in damaged:
            say(f"Left out: {error}", "yellow")
    mine = torch.tensor([found.step if found else 0], dtype=torch.long, device=device)
    steps = processes.gathered(mine).tolist()
    if len(set(steps)) > 1:
        raise ValueError(f"folder is '{folder}', must be one that all machines see; checkpoints found: {steps}")
    if found:
        state.load(found)
    if first:
        checkpoint.discard(folder, after=state.step)
        folders.cut_metrics(folder, state.step)


def command(name: str, folder: Path) -> str:
    """What is typed to go on with a folder."""
    return f"scq {name} --resume {quote(str(folder))}"


@contextmanager
def part_of(whole: str) -> Iterator[None]:
    """Runs inside are parts of something larger: what they say of how to go on is its command."""
    token = _WHOLE.set(whole)
    try:
        yield
    finally:
        _WHOLE.reset(token)


@contextmanager
def interruptible(whole: str, so_far: Callable[[], str]) -> Iterator[None]:
    """Says once, after Ctrl-C, what there is and how to go on with the whole, not with the part that was under way.

    Args:
        whole: the command that goes on; what is inside of another one says nothing.
        so_far: what there is by then, in words.
    """
    if _WHOLE.get() is not None:
        yield
        return
    try:
        with part_of(whole):
            yield
    except KeyboardInterrupt:
        say(f"Interrupted; {so_far()}; to go on from there: {whole}")
        raise


@contextmanager
def explained(folder: Path, model: nn.Module, first: bool) -> Iterator[None]:
    """Keeps the weights at Ctrl-C, and says what there is, and how to go on."""
    if not first:
        yield
        return
    with interruptible(command("train", folder), lambda: _saved(folder)):
        try:
            yield
        except KeyboardInterrupt:
            folders.write_bytes(folder / folders.WEIGHTS, serialised(model.state_dict()))
            raise


@contextmanager
def writing(folder: Path, step: int) -> Iterator[None]:
    """Says of a full disk which step was reached, and how to go on."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        again = _WHOLE.get() or command("train", folder)
        message = (
            f"step {step} could not be written to '{folder}': {reason}; {_saved(folder)}; to go on from there: {again}"
        )
        raise OSError(error.errno, message) from error


def _saved(folder: Path) -> str:
    steps = checkpoint.steps(folder)
    return f"saved up to step {steps[0] if steps else 0}"
