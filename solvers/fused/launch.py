"""From tensors to kernels and back. Nothing here waits for the device."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.solvers.fused.backward import pull_back_columns, sum_over_columns
from scq.solvers.fused.forward import CLOSE, OVERFLOW, solve_columns
from scq.solvers.fused.stages import Stage, capacity, options, power_of_two, stages
from scq.solvers.instance import Instance

_SHARE = {torch.float32: 0.1, torch.float64: 1e-3}
"""Codewords enter while the residual exceeds this share of tol, as far below it as rounding errors allow."""

_RESOLUTION = 2e-6
"""Share of the largest gradient entry below which float32 does not tell a multiplier, or its weight, from 0."""

_FINEST = 1e-9
"""Tolerance that the stage in float64 aims at, whatever is asked for: the support hangs on it."""

_PRECISE = 1e-6
"""The residual of a derivative's linear system, as a share of its right-hand side, that float32 has to reach."""

_FEATURES = 16
"""Features that are summed for the codebook's derivative at once."""

_SUMS = 2**28
"""Bytes that the programs' sums for the codebook's derivative may take together."""

_PARTS = 1024
"""How many of such sums at most: enough programs for any GPU."""


class Columns(NamedTuple):
    """What has become of N columns.

    Attributes:
        index, values: the weights in compact form, packed to the left; 0 in unused places.
        certified: the relative KKT residual over all K is within tol; the weights of other columns mean nothing.
        overflowed: the support has outgrown its places.
        steps: codewords that entered.
    """

    index: Int[Tensor, "N S"]
    values: Float[Tensor, "N S"]
    certified: Bool[Tensor, " N"]
    overflowed: Bool[Tensor, " N"]
    steps: Int[Tensor, " N"]


def solve(problem: Instance, tol: float, max_iter: int) -> Columns:
    """The active-set method on an instance whose anchors are codeword numbers.

    Args:
        problem: float32 or float64. In float32, columns that it does not certify, or whose support rounding errors may
            have decided, are solved again in float64.
        tol: the relative KKT residual to reach.
        max_iter: codewords that may enter a column's support; in float32 half of them.
    """
    latents, codebook, anchor = problem.latents.contiguous(), problem.codebook.contiguous(), problem.anchor.contiguous()
    (N, F), K, device = latents.shape, codebook.shape[0], latents.device
    places = capacity(K, F)
    plan = stages(places, latents.dtype)
    numbers = torch.zeros(3 * N + len(plan), dtype=torch.long, device=device)
    state, size, steps, queues = numbers.split([N, N, N, len(plan)])
    index = torch.zeros(N, places, dtype=torch.long, device=device)
    values = torch.zeros(N, places, dtype=latents.dtype, device=device)
    # So that neighbouring threads, which have neighbouring codewords, read neighbouring numbers.
    transposed = codebook.T.contiguous()
    programs = [stage.programs(N, K, device) for stage in plan]
    inside = torch.zeros(max(programs), K, dtype=torch.int8, device=device)
    with torch.cuda.device_of(latents):
        for stage, queue, count in zip(plan, queues.split(1), programs, strict=True):
            aim = min(tol, _FINEST) if stage.double else tol
            solve_columns[(count,)](
                *(latents, codebook, transposed, anchor, problem.lam, problem.floor),
                *(queue, state, size, steps, index, values),
                *(inside, *_scratch(stage, count, F, device)),
                *(N, F, K, places, tol, aim * _SHARE[stage.dtype], _RESOLUTION),
                max_iter if stage.double else (max_iter + 1) // 2,
                BK=stage.codewords,
                **stage.constants(),
                **stage.options(),
            )
    return Columns(index, values, state >= CLOSE.value, state == OVERFLOW.value, steps)


def pull_back(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: Float[Tensor, ""],
    anchor: Int[Tensor, " N"],
    index: Int[Tensor, "N S"],
    values: Float[Tensor, "N S"],
    active: Bool[Tensor, "N S"],
    d_values: Float[Tensor, "N S"] | None,
    d_combined: Float[Tensor, "N F"] | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`scq.solvers.implicit.pull_back_by_tensors`, for anchors that are codeword numbers, and weights in
    compact form of at most ``fused.PLACES`` places."""
    latents, codebook, anchor = latents.contiguous(), codebook.contiguous(), anchor.contiguous()
    index, values, active = index.contiguous(), values.contiguous(), active.contiguous()
    (N, F), (K, S), device = latents.shape, (codebook.shape[0], index.shape[1]), latents.device
    plan, wide = stages(S, latents.dtype), power_of_two(max(1, S))
    # As scq.solvers.support.lifted does.
    lift = torch.linalg.vector_norm(codebook, dim=1).amax().square()
    numbers = torch.zeros(N + len(plan), dtype=torch.long, device=device)
    again, queues = numbers.split([N, len(plan)])
    if plan[0].double:
        again = torch.ones_like(again)
    u, back = torch.empty_like(values, dtype=latents.dtype), torch.empty_like(latents)
    d_lam = torch.empty(N, dtype=torch.float64, device=device)
    upstream = [other if x is None else x.contiguous() for x, other in ((d_values, values), (d_combined, latents))]
    given: dict[str, Any] = {"W": wide, "HAS_COMBINED": d_combined is not None}
    solving: dict[str, Any] = {**given, "HAS_VALUES": d_values is not None}
    above = -1
    with torch.cuda.device_of(latents):
        for stage, queue in zip(plan, queues.split(1), strict=True):
            count = stage.programs(N, 0, device)
            pull_back_columns[(count,)](
                *(codebook, lam, lift, anchor, queue, index, values, active, *upstream),
                *(u, back, d_lam, again, *_scratch(stage, count, F, device)),
                *(N, F, S, above, _PRECISE),
                **solving,
                **stage.constants(),
                **stage.options(),
            )
            above = stage.places
        parts = 3 if device.type == "cpu" else _PARTS
        parts = max(1, min(N, parts, _SUMS // (codebook.numel() * codebook.element_size())))
        d_codebook = codebook.new_zeros(parts, K, F)
        sum_over_columns[(parts, -(-F // _FEATURES))](
            *(latents, codebook, index, values, active, u, back, upstream[1], d_codebook, N, F, K, S),
            FB=_FEATURES,
            R=32,
            **given,
            **options(1),
        )
    return back, d_codebook.sum(0), d_lam.sum().to(lam.dtype)


def _scratch(stage: Stage, count: int, F: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What each program has to itself: F numbers for an error; the inverse, where it is in memory; and a number for
    each place, in the type of the stage and in float64."""
    return (
        torch.empty(count, F, dtype=stage.dtype, device=device),
        torch.empty(count if stage.in_memory else 1, stage.places**2, dtype=stage.dtype, device=device),
        torch.empty(count, stage.places, dtype=stage.dtype, device=device),
        torch.empty(count, stage.places, dtype=torch.float64, device=device),
    )
