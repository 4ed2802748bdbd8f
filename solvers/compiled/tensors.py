"""Between tensors and kernels: padding, and chunks of columns for all of torch's threads."""

import functools
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from scq.solvers.compiled.lanes import BYTES, padded

CPU = torch.device("cpu")
"""Where kernels work, whatever the default device is."""


def aligned(x: Tensor) -> Tensor:
    """A copy with rows padded with zeros to whole vectors, from an address where vectors start; at least four rows."""
    rows, columns = x.shape
    result = torch.zeros(max(rows, 4), padded(columns), dtype=x.dtype, device=CPU)
    result[:rows, :columns] = x
    return result


def tiled(codebook: Tensor) -> Tensor:
    """(Kp / 2w, F, 2w): the codebook transposed, two vectors of w codewords at a time, so that a pass over it reads
    its memory in order. Padding is 0."""
    K, F = codebook.shape
    width = 2 * BYTES // codebook.element_size()
    whole = torch.zeros(padded(K), F, dtype=codebook.dtype, device=CPU)
    whole[:K] = codebook
    return whole.view(-1, width, F).mT.contiguous()


def numpy(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """What Numba takes: the same memory as arrays."""
    return tuple(x.detach().numpy() for x in tensors)


def in_chunks(work: Callable[[Iterator[tuple[int, int]]], None], N: int, size: int) -> None:
    """Calls ``work`` on each of torch's threads, with an iterator over what is left of the chunks (first, last).

    A kernel releases the interpreter lock, so plain threads do; their number is torch's at the time of the call.
    """
    # next() of an iterator of a range is atomic: no chunk is given out twice.
    chunks = iter([(first, min(first + size, N)) for first in range(0, N, size)])
    count = min(torch.get_num_threads(), -(-N // size))
    if count <= 1:
        work(chunks)
        return
    _hint_at_spinning()
    with ThreadPoolExecutor(count) as threads:
        try:
            # A list, so that what a thread raises is raised here.
            list(threads.map(work, [chunks] * count))
        finally:
            # After an interrupt or an error, nothing is left for the other threads to begin.
            for _ in chunks:
                pass


@functools.cache
def _hint_at_spinning() -> None:
    """Says once that the machine is busy and that waiting threads keep it so."""
    if {"OMP_WAIT_POLICY", "KMP_BLOCKTIME", "GOMP_SPINCOUNT"} & os.environ.keys() or not hasattr(os, "getloadavg"):
        return
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > 1.5 * processors:  # a program alone on a machine makes a load of one a processor
        logging.getLogger("scq").warning(
            "the machine is busy (load average %.1f on %d processors), and torch's threads spin while they wait, which "
            "takes several times as long there: set OMP_WAIT_POLICY=PASSIVE before Python starts, or OMP_NUM_THREADS=1",
            load,
            processors,
        )
