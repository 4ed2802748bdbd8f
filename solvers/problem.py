"""The problem, checked when it is made."""

import math
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.solvers.deferred import check
from scq.solvers.finite import finite_rows
from scq.solvers.nearest import nearest_codeword

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_SIMPLEX_SLACK = 1e-3
"""How far a dense anchor may leave the simplex, or by its dtype's rounding where that is more: the weights of a softmax
in bfloat16 do not sum to 1 more closely than 0.008."""


class Problem:
    r"""N columns of soft convex quantization, which share a codebook.

    For each latent z with anchor a, over weights p in the simplex:

        p* = argmin_p  1/2 ||C^T p - z||^2 + lam/2 ||p - a||^2   subject to   p >= 0, sum(p) = 1,

    with z a row of ``latents`` (N, F) and C the ``codebook`` (K, F), one codeword a row. lam > 0 makes p* unique:
    lam -> infinity gives the anchor (plain vector quantization), lam -> 0 the projection of z on the convex hull of
    the codebook.

    Args:
        latents: (N, F), floating point. NaN and infinity are allowed: such a column fails alone, when solved.
        codebook: (K, F), finite, of the same dtype and device as ``latents``, K >= 1.
        lam: regularisation weight, a positive number or a 0-dimensional tensor (differentiable).
        anchor: (N,) codeword numbers, or (N, K) points of the simplex (differentiable), or None for the nearest
            codeword of each latent.

    Raises:
        TypeError: an argument of the wrong type or dtype.
        ValueError: an argument of the wrong shape, device or value. The message names the argument, what it was and
            what it must be. Values that are not on the CPU are looked at without waiting for their device: by a solve
            that raises for failures, or when the next problem on that device is made, and the message names the step
            of a training run. Until then no solution of a codebook that is not finite is finite itself.

    Source: arXiv 2310.03004, Eq. 7; the factors 1/2 leave the minimiser as it is.
    """

    latents: Float[Tensor, "N F"]
    codebook: Float[Tensor, "K F"]
    lam: Float[Tensor, ""]
    anchor: Int[Tensor, " N"] | Float[Tensor, "N K"]
    number: float | None = None
    """lam, where it was given as a number."""
    sound: Bool[Tensor, ""] | None = None
    """Whether the codebook is finite; None where that is known: on the CPU it is."""

    def __init__(
        self, latents: Tensor, codebook: Tensor, lam: float | Tensor = 0.1, anchor: Tensor | None = None
    ) -> None:
        _check_matrix("latents", latents, "(N, F)")
        _check_matrix("codebook", codebook, "(K, F)")
        if codebook.dtype != latents.dtype:
            raise TypeError(f"codebook has dtype {codebook.dtype}, must have that of latents, {latents.dtype}")
        if codebook.device != latents.device:
            raise ValueError(f"codebook is on {codebook.device}, must be where latents are, {latents.device}")
        if codebook.shape[0] == 0:
            raise ValueError("codebook has 0 codewords, must have at least 1")
        if codebook.shape[1] != latents.shape[1]:
            raise ValueError(
                f"codebook has shape {tuple(codebook.shape)}, must be (K, {latents.shape[1]}) to go with latents "
                f"of shape {tuple(latents.shape)}"
            )
        finite = finite_rows(codebook)
        check(_check_finite, finite)
        self.latents, self.codebook = latents, codebook
        self.sound = None if latents.device.type == "cpu" else finite.all()
        self.lam, self.number = _check_lam(lam, latents), None if isinstance(lam, Tensor) else float(lam)
        self.finite = finite_rows(latents)
        self.anchor = self._nearest() if anchor is None else self._check_anchor(anchor)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, F, K)."""
        return *self.latents.shape, self.codebook.shape[0]

    def dense_anchor(self, rows: slice = slice(None), dtype: torch.dtype | None = None) -> Float[Tensor, "n K"]:
        """The anchors of some columns as points of the simplex."""
        anchor = self.anchor[rows]
        dtype = dtype or self.latents.dtype
        if anchor.dim() == 2:
            return anchor.to(dtype)
        dense = torch.zeros(anchor.shape[0], self.codebook.shape[0], dtype=dtype, device=anchor.device)
        return dense.scatter_(1, anchor[:, None], 1.0)

    def __repr__(self) -> str:
        N, F, K = self.shape
        kind = "dense" if self.anchor.dim() == 2 else "codewords"
        return f"Problem(N={N}, F={F}, K={K}, lam={float(self.lam.detach()):g}, anchor={kind}, {self.latents.dtype})"

    def _nearest(self) -> Int[Tensor, " N"]:
        """The nearest codeword of each latent; a latent that is not finite gets that of its finite part."""
        wide = torch.promote_types(self.latents.dtype, torch.float32)
        latents, codebook = self.latents.detach(), self.codebook.detach()
        latents = torch.where(self.finite[:, None], latents, torch.zeros_like(latents)).to(wide)
        return nearest_codeword(latents, codebook.to(wide))

    def _check_anchor(self, anchor: Tensor) -> Tensor:
        N, _, K = self.shape
        if not isinstance(anchor, Tensor):
            raise TypeError(f"anchor is a {type(anchor).__name__}, must be a tensor or None")
        if anchor.device != self.latents.device:
            raise ValueError(f"anchor is on {anchor.device}, must be where latents are, {self.latents.device}")
        if anchor.dim() == 1 and not anchor.dtype.is_floating_point and anchor.dtype != torch.bool:
            if anchor.shape[0] != N:
                raise ValueError(f"anchor has shape {tuple(anchor.shape)}, must be ({N},) codeword numbers")
            if N:
                check(partial(_check_numbers, K), torch.stack(anchor.aminmax()))
            return anchor.long()
        if anchor.dim() != 2 or anchor.dtype not in _FLOATS:
            raise TypeError(
                f"anchor has shape {tuple(anchor.shape)} and dtype {anchor.dtype}, must be ({N},) integers or "
                f"({N}, {K}) of {self.latents.dtype}"
            )
        if anchor.shape != (N, K):
            raise ValueError(f"anchor has shape {tuple(anchor.shape)}, must be ({N}, {K}) points of the simplex")
        if anchor.dtype != self.latents.dtype:
            raise TypeError(f"anchor has dtype {anchor.dtype}, must have that of latents, {self.latents.dtype}")
        wide = anchor.detach().double()
        off = torch.maximum((wide.sum(1) - 1).abs(), (-wide).amax(1))
        check(partial(_check_simplex, anchor.dtype), off)
        return anchor


class Unchecked(Problem):
    """The problem with the nearest anchors, below a compiler, which sees through no check of values."""

    def __init__(self, latents: Float[Tensor, "N F"], codebook: Float[Tensor, "K F"], lam: Float[Tensor, ""]) -> None:
        self.latents, self.codebook, self.lam = latents, codebook, lam
        self.finite = finite_rows(latents)
        self.anchor = self._nearest()


def _check_finite(finite: Bool[Tensor, " K"]) -> None:
    if not finite.all():
        rows = (~finite).nonzero().flatten().tolist()
        raise ValueError(f"codebook has NaN or infinity in codeword {rows[0]} ({len(rows)} in all), must be finite")


def _check_numbers(K: int, ends: Tensor) -> None:
    least, most = ends.tolist()
    if least < 0 or most >= K:
        raise ValueError(f"anchor has codeword numbers from {least} to {most}, must be from 0 to {K - 1}")


def _check_simplex(dtype: torch.dtype, off: Tensor) -> None:
    # Not `off > slack`: a NaN must be refused too.
    bad = ~(off <= max(_SIMPLEX_SLACK, torch.finfo(dtype).eps))
    if bad.any():
        row = int(bad.nonzero()[0])
        raise ValueError(
            f"anchor row {row} leaves the simplex by {float(off[row]):.3g} ({int(bad.sum())} rows do), "
            "must be >= 0 and sum to 1"
        )


def _check_value(lam: Tensor) -> None:
    _check_positive(float(lam))


def _check_positive(value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"lam is {value}, must be finite and > 0")


def _check_matrix(name: str, value: Tensor, shape: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} is a {type(value).__name__}, must be a torch.Tensor of shape {shape}")
    if value.dtype not in _FLOATS:
        raise TypeError(f"{name} has dtype {value.dtype}, must be float16, bfloat16, float32 or float64")
    if value.dim() != 2 or value.shape[1] == 0:
        raise ValueError(f"{name} has shape {tuple(value.shape)}, must be {shape} with F >= 1")


def _check_lam(lam: float | Tensor, latents: Tensor) -> Tensor:
    if isinstance(lam, bool) or not isinstance(lam, (int, float, Tensor)):
        raise TypeError(f"lam is a {type(lam).__name__}, must be a number or a 0-dimensional tensor")
    if isinstance(lam, Tensor):
        if lam.dim() != 0 or not lam.dtype.is_floating_point:
            raise ValueError(f"lam has shape {tuple(lam.shape)} and dtype {lam.dtype}, must be a 0-dimensional float")
        if lam.device != latents.device:
            raise ValueError(f"lam is on {lam.device}, must be where latents are, {latents.device}")
        check(_check_value, lam)
        return lam
    _check_positive(float(lam))
    # A number is kept in float64: rounding 0.1 to the latents' half precision would change the problem. It is filled in
    # on the device: a copy from the host would wait for it.
    return torch.full((), float(lam), dtype=torch.float64, device=latents.device)
