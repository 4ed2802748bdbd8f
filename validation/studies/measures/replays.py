"""The problems of a run, dumped over training (``dump_every``), solved again by every exact backend at hand."""

from typing import Any

import torch

from scq import solvers
from scq.training.dumps import PROBLEMS, dumped
from scq.training.tensors import read_metadata, read_tensors
from scq.validation.studies.measures import Trained

_COLUMNS = {True: 512, False: 32}
"""Columns of a dump that a backend solves: a batched one, and another one. Most of those are slow."""


@torch.no_grad()
def measure(trained: Trained) -> dict[str, Any]:
    """
    Returns:
        points: one dict for each dump and backend: step, backend, columns, iterations (mean), relative (the largest
            relative KKT residual), converged_share, margin (the smallest over the columns) and one_sided_share (columns
            with a weight and its multiplier both below 1e-6, where the derivative is one-sided).
    """
    points: list[dict[str, Any]] = []
    backends = [info for info in solvers.backends() if info.exact and info.available]
    for path in dumped(trained.run / PROBLEMS):
        tensors, metadata = read_tensors(path), read_metadata(path)
        latents, codebook = tensors["latents"], tensors["codebook"]
        for info in backends:
            wanted = _COLUMNS[info.batched and info.package is None]
            rows = latents[:: -(-latents.shape[0] // wanted)].double()
            problem = solvers.Problem(rows, codebook.double(), float(metadata["lam"]))
            point = {"step": int(metadata["step"]), "backend": info.name, "columns": len(rows)}
            points.append(point | _solved(problem, info.name))
    return {"points": points} if points else {}


def _solved(problem: solvers.Problem, backend: str) -> dict[str, Any]:
    solution = solvers.solve(problem, backend, throw=False, gradient="none")
    residuals = solution.residuals
    return {
        "iterations": float(solution.iterations.double().mean()),
        "relative": float(residuals.relative.amax()),
        "converged_share": float(solution.converged.double().mean()),
        "margin": float(residuals.margin.amin()),
        "one_sided_share": float((residuals.weakly_active > 0).double().mean()),
    }
