"""The solve as one node of a graph, for torch.compile and torch.export.

A solver asks the host how far it is, and some are no torch code at all: no compiler sees through that, nor has to. It
sees one operator with a derivative, whatever the backend. Only under a compiler: the shapes of the operator's outputs
must be known beforehand, so that its weights are dense, where the layer otherwise keeps them compact.
"""

import ast
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from scq import solvers
from scq.quantizers.certificate import NAMES, certificate
from scq.quantizers.layout import spread
from scq.quantizers.solving import Solved, SolverSettings, solution_of, solve_rows
from scq.solvers.attempt import normalise
from scq.solvers.finite import finite_rows
from scq.solvers.implicit import pull_back_weights
from scq.solvers.methods import Instance, relaxed
from scq.solvers.nearest import nearest_codeword
from scq.solvers.registry import get
from scq.solvers.support import Support
from scq.solvers.weights import Weights


def solve_rows_in_graph(
    latents: Tensor, codebook: Tensor, lam: float | Tensor, valid: Tensor | None, settings: SolverSettings
) -> Solved:
    """What :func:`scq.quantizers.solving.solve_rows` gives, with dense weights.

    The relaxation is torch code without a decision, and goes into the graph as it is. A backend's own derivative needs
    what its forward pass kept, which an operator cannot hand on: the graph breaks there.
    """
    if not isinstance(lam, Tensor):
        lam = torch.tensor(lam, dtype=torch.float64, device=latents.device)
    gradient = settings.gradient or get(settings.backend).gradient[0]
    if gradient == "native" and settings.backend == "relaxed" and settings.on_failure == "fallback":
        return _relaxed(latents, codebook, lam, valid, settings.options)
    if gradient == "native":
        return _outside(latents, codebook, lam, valid, settings)
    # Operators take tensors, numbers and strings. Piece by piece: compilers trace that, and not the repr of a dict.
    *rest, options, on_failure = settings
    pairs = ", ".join([f"{name!r}: {value!r}" for name, value in options.items()])
    text = f"({', '.join([repr(x) for x in rest])}, {{{pairs}}}, {on_failure!r})"
    weights, anchor, status, iterations, _ = _solve(latents, codebook, lam, valid, text)
    if gradient == "none":
        weights = weights.detach()
    return Solved(Weights.dense_of(weights), _combined(weights, codebook, status), anchor, status, iterations)


def _combined(weights: Tensor, codebook: Tensor, status: Tensor) -> Tensor:
    """weights @ codebook, constant where there is no solution."""
    rows = weights @ codebook
    return torch.where((status >= int(solvers.Status.MAX_ITER))[:, None], rows.detach(), rows)


def _outside(latents: Tensor, codebook: Tensor, lam: Tensor, valid: Tensor | None, settings: SolverSettings) -> Solved:
    # Not a decorator: that would import the compiler, which takes seconds, wherever a layer is imported.
    return torch.compiler.disable(solve_rows)(latents, codebook, lam, valid, settings)


def _relaxed(latents: Tensor, codebook: Tensor, lam: Tensor, valid: Tensor | None, options: dict[str, Any]) -> Solved:
    K = codebook.shape[0]
    finite = finite_rows(latents)
    # Before any arithmetic, so that no NaN reaches a gradient.
    latents = torch.where((finite if valid is None else finite & valid)[:, None], latents, 0.0)
    anchor = nearest_codeword(latents.detach(), codebook.detach())
    one = torch.ones((), dtype=latents.dtype, device=latents.device)
    result = relaxed.solve(Instance(latents, codebook, lam.to(latents.dtype), anchor, one, one), tol=1.0, **options)
    sound = torch.isfinite(result.weights.detach().sum(1))
    status = torch.where(sound, result.status, int(solvers.Status.FAILED))
    status = torch.where(finite, status, int(solvers.Status.NON_FINITE))
    failed = (status >= int(solvers.Status.MAX_ITER))[:, None]
    weights = torch.where(failed, one_hot(anchor, K).to(latents.dtype), result.weights)
    iterations = result.iterations
    if valid is not None:
        weights, status, iterations = (
            torch.where(valid.view(-1, *[1] * (x.dim() - 1)), x, 0) for x in (weights, status, iterations)
        )
    return Solved(Weights.dense_of(weights), _combined(weights, codebook, status), anchor, status, iterations)


def certificate_in_graph(
    latents: Tensor, codebook: Tensor, lam: Tensor, anchor: Tensor, weights: Weights, valid: Tensor | None
) -> Tensor:
    """What :func:`scq.quantizers.certificate.certificate` gives."""
    return _certificate(latents.detach(), codebook.detach(), lam, anchor, weights.dense(), valid)


@torch.library.custom_op("scq::solve", mutates_args=())
def _solve(
    latents: Tensor, codebook: Tensor, lam: Tensor, valid: Tensor | None, settings: str
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Weights (N, K), anchors, status, iterations, and whether the weights that are 0 are so exactly."""
    rows = latents if valid is None else latents[valid]
    with torch.no_grad():
        solution = solution_of(solvers.Problem(rows, codebook, lam), _parsed(settings))
    parts = solution.weights, solution.problem.anchor, solution.status, solution.iterations
    # Copies, since an output may be no view of an input or of another output; laid out as the shapes below promise.
    parts = tuple(
        part.clone(memory_format=torch.contiguous_format) if valid is None else spread(part, valid) for part in parts
    )
    return *parts, torch.tensor(solution.compact.index is not None, dtype=torch.bool, device=latents.device)


@_solve.register_fake
def _(
    latents: Tensor, codebook: Tensor, lam: Tensor, valid: Tensor | None, settings: str
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
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
    problem = solvers.Problem(latents[rows], codebook, lam, anchor[rows])
    upstream, dense, failed = upstream[rows], weights[rows], status[rows] >= int(solvers.Status.MAX_ITER)
    found = Weights.dense_of(dense)
    if sparse:
        support = Support.of(dense != 0)
        found, upstream = Weights(support.gather(dense), support.index, dense.shape[1]), support.gather(upstream)
    instance = normalise(problem, dense.dtype, centred=get(backend).exact)
    d_latents, d_codebook, d_lam = pull_back_weights(instance, found, failed, upstream)
    d_latents = d_latents if valid is None else spread(d_latents, valid)
    return d_latents.contiguous(), d_codebook.contiguous(), d_lam.to(lam.dtype)


@_solve_backward.register_fake
def _(
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
    # Not as those lie in memory: the latents of a single picture are a view of it, with the channels first.
    return latents.new_empty(latents.shape), codebook.new_empty(codebook.shape), torch.empty_like(lam)


def _keep(ctx: Any, inputs: tuple, output: tuple) -> None:
    *tensors, settings = inputs
    ctx.backend = _parsed(settings).backend
    weights, anchor, status, _, sparse = output
    ctx.save_for_backward(*tensors, weights, anchor, status, sparse)


def _pull_back(ctx: Any, upstream: Tensor, *_: Any) -> tuple:
    return *_solve_backward(upstream, *ctx.saved_tensors, ctx.backend), None, None


_solve.register_autograd(_pull_back, setup_context=_keep)


def _refuse(ctx: Any, *_: Any) -> tuple:
    raise RuntimeError(
        "the derivative of a compiled or exported solve cannot be differentiated again; that of the layer as it is can"
    )


_solve_backward.register_autograd(_refuse)


@torch.library.custom_op("scq::certificate", mutates_args=())
def _certificate(
    latents: Tensor, codebook: Tensor, lam: Tensor, anchor: Tensor, weights: Tensor, valid: Tensor | None
) -> Tensor:
    return certificate(latents, codebook, lam, anchor, Weights.dense_of(weights), valid)


@_certificate.register_fake
def _(latents: Tensor, codebook: Tensor, lam: Tensor, anchor: Tensor, weights: Tensor, valid: Tensor | None) -> Tensor:
    return latents.new_empty(len(NAMES), dtype=torch.float64)


def _parsed(settings: str) -> SolverSettings:
    try:
        return SolverSettings(*ast.literal_eval(settings))
    except (ValueError, SyntaxError) as error:
        raise TypeError(
            f"backend_options has values that a graph cannot hold, must be numbers and strings, or lists of them: "
            f"{settings}"
        ) from error
