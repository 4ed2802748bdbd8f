"""Supports in compact form, and the KKT system restricted to them: the linear solve that the exact methods share."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Support:
    """The active codewords of N columns, at most S each.

    Attributes:
        index: (N, S) codeword numbers; what stands in unused places is a valid number, but means nothing.
        valid: (N, S) which places are used.
    """

    index: Int[Tensor, "N S"]
    valid: Bool[Tensor, "N S"]

    @staticmethod
    def of(mask: Bool[Tensor, "N K"]) -> "Support":
        """The codewords that ``mask`` marks."""
        rows, codewords = mask.nonzero(as_tuple=True)
        counts = mask.sum(1)
        size = int(counts.max()) if mask.shape[0] else 0
        place = torch.arange(rows.shape[0], device=mask.device) - (counts.cumsum(0) - counts)[rows]
        index = torch.zeros(mask.shape[0], size, dtype=torch.long, device=mask.device)
        index[rows, place] = codewords
        return Support(index, torch.arange(size, device=mask.device) < counts[:, None])

    @staticmethod
    def within(mask: Bool[Tensor, "N S"]) -> "Support":
        """The places that ``mask`` marks among few, as :meth:`of` has them; on a device where they are, since the host
        would wait to know how many there are."""
        if mask.device.type == "cpu":
            return Support.of(mask)
        return Support(torch.arange(mask.shape[1], device=mask.device).expand_as(mask), mask)

    @staticmethod
    def join(parts: "list[Support]") -> "Support":
        """The supports of several groups of columns, one group after the other."""
        return Support(join([part.index for part in parts]), join([part.valid for part in parts]))

    def rows(self, rows: "Int[Tensor, ' n']") -> "Support":
        """That of some of the columns."""
        return Support(self.index[rows], self.valid[rows])

    def gather(self, dense: Float[Tensor, "N K"]) -> Float[Tensor, "N S"]:
        """The entries of ``dense`` on the support, 0 in unused places."""
        return torch.where(self.valid, dense.gather(1, self.index), 0.0)

    def scatter(self, compact: Float[Tensor, "N S"], K: int) -> Float[Tensor, "N K"]:
        """(N, K) with ``compact`` on the support and 0 elsewhere."""
        dense = compact.new_zeros(compact.shape[0], K)
        return dense.scatter_add_(1, self.index, torch.where(self.valid, compact, 0.0))


def join(parts: list[Tensor]) -> Tensor:
    """Compact arrays (n_i, S_i) one after the other, padded with 0 to the widest."""
    width = max(part.shape[1] for part in parts)
    return torch.cat([torch.nn.functional.pad(part, (0, width - part.shape[1])) for part in parts])


def lifted(codebook: Float[Tensor, "K F"]) -> Float[Tensor, "K F+1"]:
    """The codewords with one more entry, the same for all: the length of the longest.

    H_SS becomes H_SS + s 1 1^T, which changes eta alone, since 1^T u is given. But where the codewords of a support are
    affinely independent, and so the weights well defined, its matrix is now well conditioned however small lam is.
    """
    length = codebook.detach().square().sum(1).amax().sqrt()
    return torch.cat([codebook, length.expand(codebook.shape[0], 1)], 1)


def solve_on_support(
    codewords: Float[Tensor, "N S F"],
    valid: Bool[Tensor, "N S"],
    lam: Float[Tensor, ""],
    rhs: Float[Tensor, "N S"],
    total: float,
) -> Float[Tensor, "N S"]:
    r"""Solves, for every column, the equality-constrained KKT system on its support,

        [ H_SS  1 ] [ u  ]   [  rhs  ]
        [ 1^T   0 ] [ eta] = [ total ],       H_SS = C_S C_S^T + lam I.

    The S x S matrix is factored, or by Woodbury the F x F matrix C_S^T C_S + lam I where that is cheaper (S > 2 F).

    Args:
        codewords: (N, S, F) the codewords of the support, 0 in unused places.
        valid: (N, S) which places are used.
        lam: regularisation weight.
        rhs: (N, S), 0 in unused places.
        total: what u sums to: 1 for weights, 0 for their derivatives.

    Returns:
        u, (N, S), 0 in unused places. NaN for a column whose matrix is not positive definite in this precision.
    """
    S, F = codewords.shape[1:]
    woodbury = S > 2 * F
    if woodbury:
        matrix = codewords.mT @ codewords
        matrix.diagonal(dim1=1, dim2=2).add_(lam)
    else:
        matrix = codewords @ codewords.mT
        matrix.diagonal(dim1=1, dim2=2).add_(torch.where(valid, lam, 1.0))
    factor, info = torch.linalg.cholesky_ex(matrix)
    # The solution of a column that could not be factored becomes NaN, instead of garbage that looks like one.
    factor = torch.where((info == 0)[:, None, None], factor, torch.nan)
    both = torch.stack([rhs, valid.to(rhs.dtype)], dim=2)
    if woodbury:

        def solve(b: Tensor) -> Tensor:
            return (b - codewords @ torch.cholesky_solve(codewords.mT @ b, factor)) / lam

        x = solve(both)
        # Woodbury's subtraction loses digits at small lam; one step of refinement restores them.
        x = x + solve(both - codewords @ (codewords.mT @ x) - lam * x)
    else:
        x = torch.cholesky_solve(both, factor)
    u, direction = x.unbind(2)
    # A column without support has u = 0.
    eta = (u.sum(1) - total) / torch.where(valid.any(1), direction.sum(1), 1.0)
    return u - eta[:, None] * direction
