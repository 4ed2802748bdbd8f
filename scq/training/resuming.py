"""What makes a run survive: its checkpoints at the right moments, and words for the moment it ends early."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import torch
from rich.console import Console
from torch import nn

from scq.quantizers import processes
from scq.training import checkpoint
from scq.training import folder as folders
from scq.training.log import MetricLog
from scq.training.state import TrainingState, serialised


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
            Console().print(f"Left out: {error}", style="yellow", markup=False, soft_wrap=True)
    mine = torch.tensor([found.step if found else 0], dtype=torch.long, device=device)
    steps = processes.gathered(mine).tolist()
    if len(set(steps)) > 1:
        raise ValueError(f"folder is '{folder}', must be one that all machines see; checkpoints found: {steps}")
    if found:
        state.load(found)
    if first:
        checkpoint.discard(folder, after=state.step)
        folders.cut_metrics(folder, state.step)


@contextmanager
def explained(folder: Path, model: nn.Module, first: bool) -> Iterator[None]:
    """Says after Ctrl-C what there is, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if first:
            folders.write_bytes(folder / folders.WEIGHTS, serialised(model.state_dict()))
            Console().print(f"Interrupted; {_how_to_go_on(folder)}", soft_wrap=True, markup=False, highlight=False)
        raise


@contextmanager
def writing(folder: Path, step: int) -> Iterator[None]:
    """Says of a full disk which step was reached, and how to go on."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        message = f"step {step} could not be written to '{folder}': {reason}; {_how_to_go_on(folder)}"
        raise OSError(error.errno, message) from error


def _how_to_go_on(folder: Path) -> str:
    steps = checkpoint.steps(folder)
    return f"saved up to step {steps[0] if steps else 0}; to go on from there: scq train --resume {quote(str(folder))}"
