"""Weights over a codebook, dense or compact, and what can be said of them without the (N, K) array."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag, pad


@dataclass(frozen=True)
class Weights:
    """The weights of N columns over K codewords.

    Attributes:
        values: (N, S) weights. In compact form, 0 in unused places.
        index: (N, S) the codewords they belong to, with no codeword twice but in unused places; None when S = K and
            place k is codeword k.
        codewords: K.
    """

    values: Float[Tensor, "N S"]
    index: Int[Tensor, "N S"] | None
    codewords: int

    @staticmethod
    def dense_of(weights: Float[Tensor, "N K"]) -> "Weights":
        """Weights of every codeword."""
        return Weights(weights, None, weights.shape[1])

    @staticmethod
    def join(parts: "list[Weights]") -> "Weights":
        """The columns of several weights, one after the other; compact when all are."""
        K = parts[0].codewords
        if any(part.index is None for part in parts):
            return Weights.dense_of(torch.cat([part.dense() for part in parts]))
        N, width = sum(part.values.shape[0] for part in parts), max(part.values.shape[1] for part in parts)
        values, index = parts[0].values.new_zeros(N, width), parts[0].index.new_zeros(N, width)
        first = 0
        for part in parts:
            last = first + part.values.shape[0]
            values[first:last, : part.values.shape[1]] = part.values
            index[first:last, : part.values.shape[1]] = part.index
            first = last
        return Weights(values, index, K)

    def detach(self) -> "Weights":
        """The same without autograd history."""
        return Weights(self.values.detach(), self.index, self.codewords)

    def to(self, dtype: torch.dtype) -> "Weights":
        """The same in another floating-point type."""
        return Weights(self.values.to(dtype), self.index, self.codewords)

    def where(self, valid: Bool[Tensor, " N"]) -> "Weights":
        """The same with 0 in the other columns, whatever they hold."""
        return Weights(torch.where(valid[:, None], self.values, 0.0), self.index, self.codewords)

    def rows(self, rows: "slice | Int[Tensor, ' n']") -> "Weights":
        """Some of the columns."""
        return Weights(self.values[rows], None if self.index is None else self.index[rows], self.codewords)

    def replaced(self, rows: Int[Tensor, " n"], by: "Weights") -> "Weights":
        """The same with ``by`` in those rows; compact when both are."""
        if self.index is None or by.index is None:
            return Weights.dense_of(self.dense().index_copy(0, rows, by.dense().to(self.values.dtype)))
        width = max(self.values.shape[1], by.values.shape[1])

        def exchanged(old: Tensor, new: Tensor) -> Tensor:
            old, new = (pad(x, (0, width - x.shape[1])) for x in (old, new))
            return old.index_copy(0, rows, new.to(old.dtype))

        return Weights(exchanged(self.values, by.values), exchanged(self.index, by.index), self.codewords)

    def instead(self, columns: Bool[Tensor, " N"], by: "Weights") -> "Weights":
        """The same with ``by`` in the columns that are marked, however many; compact when both are."""
        if self.index is None or by.index is None:
            dense = torch.where(columns[:, None], by.dense().to(self.values.dtype), self.dense())
            return Weights.dense_of(dense)
        width = max(self.values.shape[1], by.values.shape[1])

        def exchanged(old: Tensor, new: Tensor) -> Tensor:
            old, new = (pad(x, (0, width - x.shape[1])) for x in (old, new))
            return torch.where(columns[:, None], new.to(old.dtype), old)

        return Weights(exchanged(self.values, by.values), exchanged(self.index, by.index), self.codewords)

    def dense(self) -> Float[Tensor, "N K"]:
        """(N, K), differentiable with respect to the values."""
        if self.index is None:
            return self.values
        zeros = self.values.new_zeros(self.values.shape[0], self.codewords)
        # Added, since an unused place may name a codeword that another place holds.
        return zeros.scatter_add_(1, self.index, self.values)

    def combine(self, codebook: Float[Tensor, "K F"]) -> Float[Tensor, "N F"]:
        """weights @ codebook, for a codebook of the values' dtype."""
        if self.index is None:
            return self.values @ codebook
        if not self.index.shape[1]:
            return codebook.new_zeros(self.index.shape[0], codebook.shape[1])
        return embedding_bag(self.index, codebook, per_sample_weights=self.values, mode="sum")

    def mass(self) -> Float[Tensor, " K"]:
        """The sum of the weights of each codeword over the columns."""
        if self.index is None:
            return self.values.sum(0)
        zeros = self.values.new_zeros(self.codewords)
        return zeros.scatter_add(0, self.index.flatten(), self.values.flatten())

    def largest(self) -> tuple[Float[Tensor, " N"], Int[Tensor, " N"]]:
        """The largest weight of each column, and its codeword."""
        value, place = self.values.max(1)
        return value, place if self.index is None else self.index.gather(1, place[:, None]).squeeze(1)
