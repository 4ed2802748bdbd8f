"""The nearest codeword of each latent, compiled: distances and their minimum in one go, with nothing kept."""

import torch
from torch import Tensor

from scq.solvers.compiled.cache import kernel
from scq.solvers.compiled.inverse import JIT
from scq.solvers.compiled.lanes import add, at, lanes, load, pointer, store
from scq.solvers.compiled.search import products_of_four, smallest
from scq.solvers.compiled.tensors import CPU, aligned, in_chunks, numpy, tiled


def nearest_columns(latents: Tensor, codebook: Tensor) -> Tensor:
    """The number of the codeword c with the smallest |c|^2 / 2 - c^T z, for each latent z, on the CPU."""
    N, K = latents.shape[0], codebook.shape[0]
    tiles = tiled(-codebook)
    squares = torch.full((tiles.shape[0] * tiles.shape[2],), torch.inf, dtype=codebook.dtype, device=CPU)
    squares[:K] = 0.5 * codebook.square().sum(1)
    index = torch.empty(N, dtype=torch.long, device=CPU)
    arrays = numpy(aligned(latents), tiles, squares, index)

    def work(chunks):
        (scratch,) = numpy(torch.empty(4, squares.shape[0], dtype=squares.dtype, device=CPU))
        for first, last in chunks:
            _nearest(first, last, *arrays, scratch)

    in_chunks(work, N, 256)
    return index


@kernel(**JIT)
def _nearest(first, last, Z, tiles, squares, index, scratch):
    Fp, F, Kp = Z.shape[1], tiles.shape[1], squares.shape[0]
    z, c, half, g = pointer(Z), pointer(tiles), pointer(squares), pointer(scratch)
    for n in range(first, last, 4):
        # Where fewer than four are left, some once more.
        start = max(min(n, last - 4), 0)
        products_of_four(c, F, Kp, at(z, start * Fp), Fp, g, Kp)
        for i in range(start, min(start + 4, last)):
            distance, b = at(g, (i - start) * Kp), 0
            while b < Kp:
                store(distance, b, add(load(distance, b), load(half, b)))
                b += lanes(g)
            index[i] = smallest(distance, Kp)
