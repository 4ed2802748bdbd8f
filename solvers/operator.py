"""The solve as one node of a graph, for torch.compile and torch.export.

A solver asks the host how far it is, and some are no torch code at all: no compiler sees through that, nor has to. It
sees one operator with a derivative, whatever the backend. The shapes of its outputs must be known beforehand, so that
its weights are dense.
"""

import json
from typing import Any, cast

import torch
from torch import Tensor

from scq.solvers.attempt import normalise
from scq.solvers.errors import OnFailure
from scq.solvers.implicit import pull_back_weights
from scq.solvers.padding import spread
from scq.solvers.problem import Problem
from scq.solvers.registry import get
from scq.solvers.settings import SolverSettings
from scq.solvers.solution import Solved
from scq.solvers.status import failed_of
from scq.solvers.support import Support
from scq.solvers.weights import Weights


def solve_by_operator(
    latents: Tensor, codebook: Tensor, lam: Tensor, valid: Tensor | None, settings: SolverSettings
) -> Solved:
    """What :func:`scq.solvers.rows.solve_rows` gives with the shared derivative or none, with dense weights."""
    backend, tol, max_iter, gradient, options, on_failure = settings
    weights, anchor, status, iterations, _ = _solve(
        latents, codebook, lam, valid, backend, tol, max_iter, gradient, _json(options), on_failure
    )
    if gradient == "none":
        weights = weights.detach()
    rows = weights @ codebook
    rows = torch.where(failed_of(status)[:, None], rows.detach(), rows)
    return Solved(Weights.dense_of(weights), rows, anchor, status, iterations)


def _json(value: Any) -> str:
    """What json makes of it, whose own encoder no compiler sees through. Of what it has no word for, no JSON: the
    operator refuses that, where an exception is still one when it reaches the user."""
    if isinstance(value, dict):
        return "{" + ", ".join([f"{_json(name)}: {_json(entry)}" for name, entry in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([_json(entry) for entry in value]) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None:
        return "null"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def _options(text: str) -> dict[str, Any]:
    try:
        return json.loads(text, strict=False)
    except ValueError as error:
        raise TypeError(
            "backend_options has values that a graph cannot hold, must be numbers and strings, or lists of them: "
            f"{text}"
        ) from error


@torch.library.custom_op("scq::solve", mutates_args=())
def _solve(
    latents: Tensor,
    codebook: Tensor,
    lam: Tensor,
    valid: Tensor | None,
    backend: str,
    tol: float | None,
    max_iter: int | None,
    gradient: str | None,
    options: str,
    on_failure: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Weights (N, K), anchors, status, iterations, and whether the weights that are 0 are so exactly."""
    rows = latents if valid is None else latents[valid]
    with torch.no_grad():
        settings = SolverSettings(backend, tol, max_iter, gradient, _options(options), cast(OnFailure, on_failure))
        solution = settings.solve(Problem(rows, codebook, lam))
    parts = solution.weights, solution.problem.anchor, solution.status, solution.iterations
    # Copies, since an output may be no view of an input or of another output; laid out as the shapes below promise.
    parts = tuple(
        part.clone(memory_format=torch.contiguous_format) if valid is None else spread(part, valid) for part in parts
    )
    return *parts, torch.tensor(solution.compact.index is not None, dtype=torch.bool, device=latents.device)


@_solve.register_fake
def _(latents: Tensor, codebook: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    N, K = latents.shape[0], codebook.shape[0]
    anchor, status, iterations = (latents.new_empty(N, dtype=torch.long) for _ in range(3))
    return latents.new_empty(N, K), anchor, status, iterations, torch.empty((), dtype=torch.bool, device=latents.device)


@torch.library.custom_op("scq::solve_backward", mutates_args=())
def _solve_backward(
    upstream: Tensor,
    latents: Tensor,
    codebook: Tensor,
    lam: Tensor,
    valid: Tensor | None,
    weights: Tensor,
    anchor: Tensor,
    status: Tensor,
    sparse: Tensor,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """The derivatives with respect to latents, codebook and lam, from the weights."""
    rows = slice(None) if valid is None else valid
    problem = Problem(latents[rows], codebook, lam, anchor[rows])
    upstream, dense, failed = upstream[rows], weights[rows], failed_of(status[rows])
    found = Weights.dense_of(dense)
    if sparse:
        support = Support.of(dense != 0)
        found, upstream = Weights(support.gather(dense), support.index, dense.shape[1]), support.gather(upstream)
    instance = normalise(problem, dense.dtype, centred=get(backend).exact)
    d_latents, d_codebook, d_lam = pull_back_weights(instance, found, failed, upstream)
    d_latents = d_latents if valid is None else spread(d_latents, valid)
    return d_latents.contiguous(), d_codebook.contiguous(), d_lam.to(lam.dtype)


@_solve_backward.register_fake
def _(upstream: Tensor, latents: Tensor, codebook: Tensor, lam: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    # Not as those lie in memory: the latents of a single picture are a view of it, with the channels first.
    return latents.new_empty(latents.shape), codebook.new_empty(codebook.shape), torch.empty_like(lam)


def _keep(ctx: Any, inputs: tuple, output: tuple) -> None:
    latents, codebook, lam, valid, ctx.backend, *_ = inputs
    weights, anchor, status, _, sparse = output
    ctx.save_for_backward(latents, codebook, lam, valid, weights, anchor, status, sparse)


def _pull_back(ctx: Any, upstream: Tensor, *_: Any) -> tuple:
    return *_solve_backward(upstream, *ctx.saved_tensors, ctx.backend), *[None] * 7


_solve.register_autograd(_pull_back, setup_context=_keep)


def _refuse(ctx: Any, *_: Any) -> tuple:
    raise RuntimeError(
        "the derivative of a compiled or exported solve cannot be differentiated again; that of the layer as it is can"
    )


_solve_backward.register_autograd(_refuse)
