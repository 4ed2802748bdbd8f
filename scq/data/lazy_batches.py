"""The order in which pictures that stay on the disk are trained on."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from scq.data.batching import Batches
from scq.data.lazy import IN_A_ROW, Answer, LazyPictures, Request, ahead


class LazyBatches(Batches):
    """Shuffled batches without end of pictures that are read ahead, each at a random place and mirrored or not.

    The order of an epoch, and what is cut out of a picture in it, follow from the seed of ``generator``, the epoch and
    the picture's number. So the state is a position, and going on from it gives the same batches bit for bit, by any
    number of workers. A process reads its own part of each batch alone.

    Args:
        pictures: on the disk.
        batch_size: pictures a batch.
        generator: of whose seed alone the order depends.
        ready: from stored pictures to a batch.
    """

    def __init__(
        self,
        pictures: LazyPictures,
        batch_size: int,
        generator: torch.Generator,
        ready: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(batch_size, ready)
        self._pictures, self._seed = pictures, generator.initial_seed()
        self._position = 0
        self._ahead: Iterator[Answer] | None = None

    def _taken(self) -> Tensor:
        if self._ahead is None:
            self._ahead = ahead(self._pictures, self._requests(self._position), self._seed)
        answer = next(self._ahead)
        self._position += self._batch_size
        self._pictures.left_out.note(answer.bad)
        if len(answer.pictures) < self._batch_size // self._part[1]:
            raise ValueError(f"{IN_A_ROW} pictures one after the other could not be read, the last: {answer.bad[-1]}")
        return answer.pictures

    def divide(self, rank: int, world: int) -> None:
        self.close()  # what was read ahead is whole
        super().divide(rank, world)

    def state_dict(self) -> dict[str, Tensor]:
        epoch, offset = divmod(self._position, len(self._pictures))
        return {"epoch": _number(epoch), "offset": _number(offset), "names": self._digest}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """
        Raises:
            ValueError: the state is of other pictures.
        """
        if not torch.equal(state.get("names", _number(0)), self._digest):
            raise ValueError(
                f"data in {self._pictures.files.place} is not what the run was started with: pictures were added, "
                "removed or renamed"
            )
        self.close()
        self._position = int(state["epoch"]) * len(self._pictures) + int(state["offset"])

    def close(self) -> None:
        # The last reference ends the processes.
        self._ahead = None

    @property
    def _digest(self) -> Tensor:
        return torch.frombuffer(bytearray(self._pictures.files.names.digest()), dtype=torch.uint8)

    def _requests(self, position: int) -> Iterator[list[Request]]:
        """What this process reads of each batch from there on."""
        count, epoch, order = len(self._pictures), -1, np.empty(0, dtype=np.int64)
        rank, world = self._part
        while True:
            batch = []
            for place in range(position, position + self._batch_size):
                if place // count != epoch:
                    epoch = place // count
                    order = np.random.default_rng((self._seed, epoch)).permutation(count)
                batch.append(Request(int(order[place % count]), epoch))
            position += self._batch_size
            share = self._batch_size // world
            yield batch[rank * share : (rank + 1) * share]


def _number(value: int) -> Tensor:
    return torch.tensor(value, dtype=torch.long, device="cpu")
