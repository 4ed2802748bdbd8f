"""What is settled before a run begins: that it can, and that its folder is its own."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch

from scq.models.base import Model
from scq.quantizers import processes
from scq.solvers import registry as backends
from scq.training.config import TrainConfig
from scq.training.environment import environment
from scq.training.folder import ENVIRONMENT, write_json
from scq.training.lock import held
from scq.training.run import Run


def check_backend(name: str, device: torch.device) -> None:
    """
    Raises:
        ValueError: it does not compute on that device.
        solvers.BackendMissingError: its package is not installed.
    """
    backend = backends.get(name)
    if device.type not in backend.devices:
        raise ValueError(f"device is {device}, must be on {' or '.join(backend.devices)} for backend {name!r}")
    backend.check_available()


def claimed(
    lock: contextlib.ExitStack, config: TrainConfig, before: Run | None, model: Model, device: torch.device
) -> Run:
    """The run, new or that of before, which is this process's alone as long as ``lock`` lasts."""
    (before or Run(config.out)).checkpoints.check_space(model)
    run = before or Run.create(config.out, config.name or f"{config.data}-{config.quantizer}")
    lock.enter_context(held(run.folder))
    if before is None:
        run.write_config(config)
        write_json(run.folder / ENVIRONMENT, environment(device))
    elif run.finished:  # while this process got ready; going on would begin again
        raise ValueError(f"folder is '{run.folder}', which another process has finished meanwhile")
    return run


def of_the_first(claim: Callable[[], Path], first: bool, device: torch.device) -> Path:
    """The path that the first process comes to, in all of them.

    Raises:
        ValueError: what the first process refuses, all refuse: none is left waiting for it.
    """
    said, refusal = "", None
    if first:
        try:
            said = f"={claim()}"
        except ValueError as error:
            said, refusal = f"!{error}", error
    # Python has bytes of a path that are no UTF-8 as surrogates.
    code = torch.tensor(list(said.encode("utf-8", "surrogatepass")), dtype=torch.uint8, device=device)
    answer = bytes(processes.gathered(code).tolist()).decode("utf-8", "surrogatepass")
    if refusal is not None:
        raise refusal
    if not first and answer.startswith("!"):
        raise ValueError(answer[1:])
    return Path(answer[1:])
