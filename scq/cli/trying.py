"""Each backend tried on a small problem: whether what is installed works here, and answers right.

Imports torch in the process alone in which they are tried.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scq.cli.apart import Failed, apart, said
from scq.solvers.registry import BackendInfo, get

_SIZES = {"N": 16, "F": 4, "K": 12}
_LAM = 0.1
_DEVICES = ("cpu", "cuda")
"""Where there is float64, which the certificate needs."""
_STEP = 1e-4
_GRADIENT_OFF = 1e-3
"""Relative; tolerances of the solvers, divided by the step, are 1e-5."""
_TIMES = 5


@dataclass(frozen=True)
class Trial:
    """What a backend made of the problem, in float64.

    Attributes:
        backend: its name.
        device: where it computed.
        residual: the largest relative KKT residual of the columns.
        gradient_error: the larger relative difference between its gradient and central differences of its own
            solutions, along one direction of the latents and one of the codebook.
        seconds: of the fastest solve of a few, after the first.
        wrong: what it raised, or how its answer is not what its entry promises; empty where it is right.
    """

    backend: str
    device: str
    residual: float = math.nan
    gradient_error: float = math.nan
    seconds: float = math.nan
    wrong: str = ""


Try = tuple[Trial, Callable[[], Trial | None]]
"""Where a backend is tried and nothing more, and what another process does for it: None without the device."""


def tries(infos: Sequence[BackendInfo]) -> list[Try]:
    """Of those that are installed, on every device that they compute on."""
    return [
        (Trial(info.name, device), partial(_of_name, info.name, device))
        for info in infos
        if info.available
        for device in _DEVICES
        if device in info.devices
    ]


def trials(planned: Sequence[Try], results: Iterable[Any] | None = None) -> list[Trial]:
    """What became of them.

    Args:
        planned: what ``tries`` gives.
        results: of their works; None to do them now, in a process apart.
    """
    results = apart([work for _, work in planned]) if results is None else results
    return [
        replace(trial, wrong=result.why) if isinstance(result, Failed) else result
        for (trial, _), result in zip(planned, results, strict=True)
        if result is not None
    ]


def broken(found: Sequence[Trial]) -> dict[str, str]:
    """What is wrong with backends, by their names."""
    return {trial.backend: trial.wrong for trial in found if trial.wrong}


def _of_name(name: str, device: str) -> Trial | None:
    """None where the device is not here."""
    import torch

    return attempt(get(name), device) if device == "cpu" or torch.cuda.is_available() else None


def attempt(info: BackendInfo, device: str = "cpu") -> Trial:
    """Tries one in this process, whatever its package raises."""
    try:
        return _tried(info, device)
    except Exception as error:  # noqa: BLE001  that is the answer
        return Trial(info.name, device, wrong=said(error))


def _tried(info: BackendInfo, device: str) -> Trial:
    import torch

    from scq import solvers
    from scq.solvers.synthetic import hull

    def pattern(like: torch.Tensor) -> torch.Tensor:
        waves = torch.arange(like.numel(), dtype=like.dtype, device=device).sin().view_as(like)
        return waves / waves.norm()

    def solve(*moved: torch.Tensor) -> solvers.Solution:
        return solvers.solve(solvers.Problem(*moved, _LAM), backend=info.name)

    def value(*moved: torch.Tensor) -> torch.Tensor:
        reconstruction = solve(*moved).reconstruction
        return (reconstruction * pattern(reconstruction)).sum()

    latents, codebook = hull(**_SIZES, device=device)
    inputs = [x.clone().requires_grad_() for x in (latents, codebook)]
    for_latents, for_codebook = torch.autograd.grad(value(*inputs), inputs)
    with torch.no_grad():
        residual = solve(latents, codebook).residuals.relative.max().item()
        seconds = min(solve(latents, codebook).solve_time for _ in range(_TIMES))
        step, other = _STEP * pattern(latents), _STEP * pattern(codebook)
        differences = torch.stack(
            [
                value(latents + step, codebook) - value(latents - step, codebook),
                value(latents, codebook + other) - value(latents, codebook - other),
            ]
        )
        told = 2 * torch.stack([(for_latents * step).sum(), (for_codebook * other).sum()])
        gradient_error = ((told - differences) / differences).abs().max().item()
    return Trial(info.name, device, residual, gradient_error, seconds, _judged(info, residual, gradient_error))


def _judged(info: BackendInfo, residual: float, gradient_error: float) -> str:
    if info.exact and not residual <= info.accuracy["float64"]:
        return f"its relative KKT residual is {residual:.1e}, it promises {info.accuracy['float64']:.0e}"
    if not math.isfinite(residual):
        return f"its relative KKT residual is {residual}"
    if not gradient_error <= _GRADIENT_OFF:
        return f"its gradient is off by {gradient_error:.1e} of its size"
    return ""
