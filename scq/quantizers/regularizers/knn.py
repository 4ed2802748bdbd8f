"""The distance of the simplex vertices to the weights nearest to them."""

from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scq.quantizers.checks import at_least_one
from scq.quantizers.regularizers.regularizer import Quantized, Regularizer
from scq.solvers.transforms import transformed

_ENTRIES_AT_ONCE = 2**22
"""Of the (N, v) scores of v vertices, of which there are up to three copies while the nearest are searched for."""
_GROUP = 16
"""Latents of which the best is found first."""


class KNN(Regularizer):
    r"""The mean, over the K vertices e_v of the simplex and the k weights p of the batch nearest to each, of D(e_v, p).

    Every vertex draws its nearest latents to itself, so that no codeword stays unused and weights become one-hot. The
    nearest to e_v have the smallest D. Batches of fewer than k latents use those that there are.

    The neighbours are those of this process: in a distributed run each looks among its own latents.

    Args:
        weight: of the term, >= 0.
        neighbours: k, at least 1.

    Memory: beside the weights (N, K) and their gradient, blocks of at most 2^22 entries; the distances of one block of
    vertices at a time, and of each only the k smallest.

    Source: arXiv 2509.22161. The text at hand fixes neither the normalisation nor whether the L2 distance is squared:
    here it is the mean over vertices and neighbours, and squared.
    """

    of_weights: ClassVar[bool] = True

    def __init__(self, weight: float = 0.1, neighbours: int = 8) -> None:
        super().__init__(weight)
        self.neighbours = at_least_one("neighbours", neighbours)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight}, neighbours={self.neighbours})"


class KNNL2(KNN):
    """:class:`KNN` with D(e_v, p) = ||e_v - p||^2 = ||p||^2 - 2 p_v + 1.

    Source: arXiv 2509.22161, KNN-L2.
    """

    name: ClassVar[str] = "knn_l2"

    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        weights, valid = quantized.weights, quantized.valid
        assert weights is not None
        squares = torch.linalg.vector_norm(weights.detach(), dim=1).square()
        nearest = _nearest(weights.detach(), squares, valid, self.neighbours)
        counted = _counted(nearest, valid, weights.dtype)
        if transformed():
            squares = weights.square().sum(1)
            distances = (counted * (squares[nearest] - 2 * weights.gather(0, nearest) + 1)).sum()
        else:
            distances = _SquaredDistances.apply(weights, squares, nearest, counted)
        return distances / counted.sum().clamp_min(1)


class KNNCE(KNN):
    """:class:`KNN` with D(e_v, p) = -log p_v, the cross-entropy of e_v and p. Its gradient does not fade at vertices
    that all weights are far from, as that of the squared distance does.

    Source: arXiv 2509.22161, KNN-CE.
    """

    name: ClassVar[str] = "knn_ce"
    of_logarithms: ClassVar[bool] = True

    def __call__(self, quantized: Quantized) -> Float[Tensor, ""]:
        logarithms, valid = quantized.log_weights, quantized.valid
        assert logarithms is not None
        nearest = _nearest(logarithms.detach(), None, valid, self.neighbours)
        counted = _counted(nearest, valid, logarithms.dtype)
        return -(logarithms.gather(0, nearest) * counted).sum() / counted.sum().clamp_min(1)


def _nearest(
    weights: Float[Tensor, "N K"],
    squares: Float[Tensor, " N"] | None,
    valid: Bool[Tensor, " N"] | None,
    neighbours: int,
) -> Int[Tensor, "k K"]:
    """The k latents nearest to each vertex: those of the largest p_v, or p_v - ||p||^2 / 2 when there are squares."""
    N, K = weights.shape
    k = min(neighbours, N)
    if k == 0:
        return torch.zeros(0, K, dtype=torch.long, device=weights.device)
    found = []
    for scores in weights.split(max(1, _ENTRIES_AT_ONCE // N), dim=1):
        if squares is not None:
            scores = scores - squares[:, None] / 2
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None], -torch.inf)
        found.append(_largest(scores, k))
    return torch.cat(found, 1)


def _largest(scores: Float[Tensor, "N v"], k: int) -> Int[Tensor, "k v"]:
    """The rows of the k largest entries of each column.

    The k largest are in the k groups of rows with the largest maxima. Maxima of groups are one pass over memory as it
    lies; topk on all N rows, which first turns the columns into rows, costs several times as much.
    """
    groups = scores.shape[0] // _GROUP
    if groups <= k:
        return scores.topk(k, dim=0, sorted=False).indices
    grouped = groups * _GROUP
    maxima = scores[:grouped].reshape(groups, _GROUP, -1).amax(1)
    first = maxima.topk(k, dim=0, sorted=False).indices * _GROUP
    rows = (first[:, None] + torch.arange(_GROUP, device=scores.device)[:, None]).flatten(0, 1)
    # The rows that fill no group are candidates always.
    rest = torch.arange(grouped, scores.shape[0], device=scores.device)[:, None].expand(-1, scores.shape[1])
    rows = torch.cat([rows, rest])
    return rows.gather(0, scores.gather(0, rows).topk(k, dim=0, sorted=False).indices)


def _counted(nearest: Int[Tensor, "k K"], valid: Bool[Tensor, " N"] | None, dtype: torch.dtype) -> Float[Tensor, "k K"]:
    """1 for each neighbour, 0 for those that were taken only because fewer than k count."""
    if valid is None:
        return torch.ones(nearest.shape, dtype=dtype, device=nearest.device)
    return valid[nearest].to(dtype)


class _SquaredDistances(torch.autograd.Function):
    """The sum of ||p_n||^2 - 2 p_nv + 1 over vertices v and their neighbours n.

    autograd would build (N, K) arrays for the squares, for the entries picked, and for their sum. This makes one: the
    gradient. That is torch code in turn, and differentiable.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, squares: Tensor, nearest: Tensor, counted: Tensor) -> Tensor:
        ctx.save_for_backward(weights, nearest, counted)
        return (counted * (squares[nearest] - 2 * weights.gather(0, nearest) + 1)).sum()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        weights, nearest, counted = ctx.saved_tensors
        times = weights.new_zeros(weights.shape[0]).index_add_(0, nearest.flatten(), counted.flatten())
        gradient = weights * (2 * upstream * times)[:, None]
        return gradient.scatter_add_(0, nearest, -2 * upstream * counted), None, None, None
