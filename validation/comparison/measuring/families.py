"""The problems that backends are compared on, made from a seed or from the latents of a trained model."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from scq import solvers
from scq.solvers.synthetic import hull
from scq.training.tensors import read_metadata, read_tensors

Data = tuple[Float[Tensor, "N F"], Float[Tensor, "K F"]]


@dataclass(frozen=True)
class ProblemSpec:
    """A problem that any process can make for itself.

    Args:
        family: ``"random"``, ``"hull"`` or ``"latents"``.
        columns, features, codewords: N, F, K.
        dtype: ``"float32"`` or ``"float64"``.
        lam: the regularisation weight.
        seed: of the numbers, or of the choice among the stored latents.
        source: the safetensors file of the family latents.
        step: of the training run that dumped that file, where it says so.
    """

    family: str
    columns: int
    features: int
    codewords: int
    dtype: str
    lam: float
    seed: int
    source: str | None = None
    step: int | None = None

    def make(self) -> solvers.Problem:
        """The problem. Drawn in float64 and then rounded, so that both dtypes have the same numbers."""
        if self.source is not None:
            latents, codebook = read_latents(Path(self.source))
            generator = torch.Generator().manual_seed(self.seed)
            latents = latents[torch.randperm(latents.shape[0], generator=generator)[: self.columns]]
        else:
            draw = {"random": random, "hull": hull}[self.family]
            latents, codebook = draw(self.columns, self.features, self.codewords, seed=self.seed)
        dtype = getattr(torch, self.dtype)
        return solvers.Problem(latents.to(dtype), codebook.to(dtype), self.lam)


def random(columns: int, features: int, codewords: int, seed: int) -> Data:
    """Latents and codewords N(0, 1): most latents lie outside the hull of the codebook."""
    generator = torch.Generator().manual_seed(seed)
    codebook = torch.randn(codewords, features, dtype=torch.float64, generator=generator)
    return torch.randn(columns, features, dtype=torch.float64, generator=generator), codebook


def read_latents(path: Path) -> Data:
    """The latents and the codebook of a safetensors file.

    Raises:
        ValueError: no such file, or it lacks ``latents`` (N, F) or ``codebook`` (K, F).
    """
    tensors = read_tensors(path)
    for name in ("latents", "codebook"):
        if name not in tensors or tensors[name].dim() != 2 or not tensors[name].numel():
            shapes = {key: tuple(value.shape) for key, value in tensors.items()}
            raise ValueError(f"latents is '{path}', which holds {shapes}, must hold latents (N, F) and codebook (K, F)")
    latents, codebook = tensors["latents"], tensors["codebook"]
    if latents.shape[1] != codebook.shape[1]:
        raise ValueError(f"'{path}' has latents {tuple(latents.shape)} and codebook {tuple(codebook.shape)}, F differs")
    return latents, codebook


def read_about(path: Path) -> tuple[float | None, int | None]:
    """The lam and the optimiser step that a dumped problem was met with; None where the file does not say.

    Raises:
        ValueError: what it says is not a number.
    """
    said = read_metadata(path)
    try:
        lam = float(said["lam"]) if "lam" in said else None
        step = int(said["step"]) if "step" in said else None
    except ValueError as error:
        raise ValueError(f"'{path}' has metadata {said}, must have numbers as lam and step: {error}") from error
    if lam is not None and not (math.isfinite(lam) and lam > 0):
        raise ValueError(f"'{path}' has lam {lam}, must be finite and > 0")
    return lam, step
