"""The latents of a layer: some of them padding, solved as they come, within torch.func's transforms or in a graph."""

from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scq.solvers.methods import relaxed
from scq.solvers.operator import solve_by_operator
from scq.solvers.padding import blanked, spread
from scq.solvers.problem import Problem, Unchecked
from scq.solvers.registry import get
from scq.solvers.settings import SolverSettings
from scq.solvers.solution import Solved
from scq.solvers.through import solve_by_torch
from scq.solvers.transforms import transformed


def solve_rows(
    latents: Float[Tensor, "N F"],
    codebook: Float[Tensor, "K F"],
    lam: float | Float[Tensor, ""],
    valid: Bool[Tensor, " N"] | None,
    settings: SolverSettings,
) -> Solved:
    """Solves the valid latents; the others are not looked at, and have weights, status and iterations 0.

    Below a compiler the weights are dense, since shapes must be known beforehand. A derivative that is a package's own
    needs what its forward pass kept, which an operator cannot hand on: the graph breaks there.

    Raises:
        SolveError: ``settings.on_failure="raise"``, and latents were not solved.
    """
    if torch.compiler.is_compiling():
        return solve_rows_in_graph(latents, codebook, lam, valid, settings)
    if valid is None:
        return Solved.of(settings.solve(Problem(latents, codebook, lam)))
    if transformed() or latents.device.type != "cpu":
        # Something is solved at padded positions too, a codeword, which costs least: how many are valid differs among
        # the samples of vmap, and a device would be waited for.
        filled = torch.where(valid[:, None], latents, codebook[0].detach())
        solved = solve_rows(filled, codebook, lam, None, settings)
        return solved.each(partial(blanked, valid=valid))
    return Solved.of(settings.solve(Problem(latents[valid], codebook, lam))).each(partial(spread, valid=valid))


def solve_rows_in_graph(
    latents: Tensor, codebook: Tensor, lam: float | Tensor, valid: Tensor | None, settings: SolverSettings
) -> Solved:
    """:func:`solve_rows` below a compiler.

    The relaxation is torch code without a decision, and goes into the graph as it is.
    """
    if not isinstance(lam, Tensor):
        lam = torch.tensor(lam, dtype=torch.float64, device=latents.device)
    info = get(settings.backend)
    if (settings.gradient or info.gradient[0]) != "native":
        return solve_by_operator(latents, codebook, lam, valid, settings)
    if info.name != "relaxed" or settings.on_failure != "fallback":
        # Not a decorator: that would import the compiler, which takes seconds, wherever a layer is imported.
        return torch.compiler.disable(solve_rows)(latents, codebook, lam, valid, settings)
    problem = Unchecked(latents if valid is None else blanked(latents, valid), codebook, lam)
    solved = solve_by_torch(problem, info, relaxed.solve, latents.dtype, settings.options)
    return solved if valid is None else solved.each(partial(blanked, valid=valid))
