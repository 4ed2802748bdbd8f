"""Pictures that stay where they are, and are read when they are looked at: the memory is that of some batches, whatever
their number.

Several processes read ahead, by torch's DataLoader. What they read depends on the seed, the epoch and the number of a
picture alone, and not on how many they are.
"""

import functools
import math
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils import data as torch_data

from scq.data.batching import Batches
from scq.data.dataset import LazyExamples
from scq.data.files import MOST_THREADS, Files
from scq.data.left_out import LeftOut

IN_A_ROW = 20
"""So many files that cannot be read, one after the other, are no bad files: the disk is gone."""


class Request(NamedTuple):
    """One picture that is asked for.

    Attributes:
        number: of the picture.
        epoch: in which it is trained on, at a place and in a mirroring of that epoch; None for the middle square.
    """

    number: int
    epoch: int | None = None


class Answer(NamedTuple):
    """What came of some requests: the pictures, and the files that could not be read, each with the reason."""

    pictures: UInt8[Tensor, "n 3 size size"]
    bad: list[str]


@dataclass(frozen=True)
class LazyPictures(LazyExamples):
    """Pictures on the disk, of which those that are asked for are read, cut to squares and resized.

    Args:
        files: where they are.
        size: height and width.
        workers: processes that read ahead where many are read one after the other; 0 reads in this one.
        left_out: what is done about files that cannot be read, and which they were.
    """

    files: Files
    size: int
    workers: int = 0
    left_out: LeftOut = field(default_factory=lambda: LeftOut("refuse"))

    @property
    def shape(self) -> torch.Size:
        """(N, 3, size, size), of files that cannot be read counted too."""
        return torch.Size((len(self.files.names), 3, self.size, self.size))

    def __getitem__(self, numbers: Tensor | slice) -> UInt8[Tensor, "n 3 size size"]:
        """The middle squares of some, read now by threads; those that cannot be read are refused or left out."""
        chosen = torch.arange(len(self), device="cpu")[numbers].tolist()
        answer = self.answer([Request(number) for number in chosen], threads=MOST_THREADS)
        self.left_out.note(answer.bad)
        return answer.pictures

    def narrow(self, dimension: int, start: int, length: int) -> "LazyPictures":
        """Those from ``start`` on, of which none is read."""
        if dimension or not 0 <= start <= start + length <= len(self):
            raise IndexError(
                f"{start} to {start + length} of dimension {dimension}, must be within {tuple(self.shape)}"
            )
        return replace(self, files=replace(self.files, names=self.files.names[start : start + length]))

    def split(self, size: int) -> Iterator[UInt8[Tensor, "n 3 size size"]]:
        """The middle squares of all, ``size`` at a time, read while the caller works on those before."""
        starts = range(0, len(self), size)
        requests = ([Request(number) for number in range(start, min(start + size, len(self)))] for start in starts)
        for answer in ahead(self, requests):
            self.left_out.note(answer.bad)
            if len(answer.pictures):
                yield answer.pictures

    def batches(self, batch_size: int, generator: torch.Generator, ready: Callable[[Tensor], Tensor]) -> Batches:
        """Of squares at random places, each mirrored or not; :class:`scq.data.lazy_batches.LazyBatches`."""
        from scq.data.lazy_batches import LazyBatches

        return LazyBatches(self, batch_size, generator, ready)

    def answer(self, requests: Sequence[Request], seed: int = 0, threads: int = 1) -> Answer:
        """Reads what is asked for. A picture of training that cannot be read is replaced by another one, which the seed
        and the epoch choose, unless that is refused or IN_A_ROW cannot be read; others are missing.

        Args:
            requests: in their order.
            seed: of places, mirroring and replacements.
            threads: that read at a time.
        """
        read = functools.partial(_read, self, seed)
        if min(threads, len(requests), os.cpu_count() or 1) > 1:
            with ThreadPoolExecutor(min(threads, os.cpu_count() or 1)) as pool:
                found = list(pool.map(read, requests))
        else:
            found = list(map(read, requests))
        made = [picture for picture, _ in found if picture is not None]
        pictures = np.stack(made) if made else np.empty((0, *self.shape[1:]), dtype=np.uint8)
        return Answer(torch.from_numpy(pictures), [reason for _, bad in found for reason in bad])


def ahead(pictures: LazyPictures, requests: Iterable[Sequence[Request]], seed: int = 0) -> Iterator[Answer]:
    """An answer for each of the requests, in their order, read by ``pictures.workers`` processes before it is due."""
    if pictures.workers == 0:
        return (pictures.answer(some, seed, MOST_THREADS) for some in requests)
    loader = torch_data.DataLoader(
        _Answers(pictures, seed),
        batch_size=None,
        sampler=requests,
        num_workers=pictures.workers,
        collate_fn=_as_it_is,
        worker_init_fn=_ignore_interrupts,
        # Its own: a seed that it does not need would come from the random numbers of the training.
        generator=torch.Generator(),
    )
    return iter(loader)


class _Answers(torch_data.Dataset[Answer]):
    def __init__(self, pictures: LazyPictures, seed: int) -> None:
        self._pictures, self._seed = pictures, seed

    def __getitem__(self, requests: Any) -> Answer:
        return self._pictures.answer(requests, self._seed)


def _as_it_is(answer: Answer) -> Answer:
    return answer


def _ignore_interrupts(worker: int) -> None:
    # Ctrl-C reaches all processes of a terminal; the training ends its step first, and needs them for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read(
    pictures: LazyPictures, seed: int, request: Request
) -> tuple[UInt8[np.ndarray, "3 size size"] | None, list[str]]:
    """One picture, and why files before it could not be read; None where it may not be replaced."""
    # Here, because a model of pictures needs no Pillow before there are files.
    from scq.data.pictures import square

    number, bad = request.number, []
    rng = None if request.epoch is None else np.random.default_rng((seed, request.epoch, number))
    for _ in range(IN_A_ROW):
        try:
            content, where = pictures.files.read(number)
            if rng is None:
                return square(content, where, pictures.size), bad
            across, down, mirrored = rng.random(3)
            picture = square(content, where, pictures.size, (across, down))
            return np.ascontiguousarray(picture[:, :, ::-1]) if mirrored < 0.5 else picture, bad
        except OSError as error:
            bad.append(f"{pictures.files.place}: {pictures.files.names[number]} cannot be read ({error})")
        except ValueError as error:
            bad.append(str(error))
        if rng is None or pictures.left_out.on_bad_file == "refuse":
            return None, bad
        number = math.floor(rng.random() * len(pictures))
    return None, bad
