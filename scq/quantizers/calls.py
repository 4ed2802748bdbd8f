"""What the quantizers in a layer are given, and the numbers of several as those of one."""

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.stacked import Place, places
from scq.quantizers.usage import Usage

_LARGEST = ("kkt_", "primal_")
"""Numbers that are the largest over latents, by their beginnings; others are means over them, or nearly so."""

_SUMMED = ("failed_columns", "seconds")


class Call(NamedTuple):
    """A quantizer with a codebook in a pass of the layer that it stands in.

    Attributes:
        place: where that is.
        x: what it was given.
        mask: the same.
        output: what it returned.
    """

    place: Place
    x: Tensor
    mask: Tensor | None
    output: QuantizerOutput

    @property
    def empty(self) -> bool:
        """Whether there was no latent; all may have been padding, or dropped."""
        return self.x.numel() == 0 or (self.mask is not None and not self.mask.any())

    def lam(self) -> float:
        """Of a soft convex quantizer, with which x was quantized: a schedule has gone on since."""
        return float(self.output.info["lam"])

    def within(self, total: Tensor, own: Tensor) -> Tensor:
        """What the layer would have returned for ``own`` in place of what this quantizer returned.

        Args:
            total: what it did return.
        """
        if not self.place.index:
            return own
        dim = self.place.layer.channel_dim
        sizes = [self.place.start, own.shape[dim], total.shape[dim] - self.place.start - own.shape[dim]]
        before, here, after = total.detach().split(sizes, dim)
        return torch.cat([before, here - self.output.quantized.detach() + own, after], dim)


class Recorder:
    """Records what the quantizers with a codebook do, a layer itself or those in it, from ``begin`` to ``end``.

    Its hooks are on them until ``remove``. Those of a layer are called before hooks that are registered later.
    """

    def __init__(self, layer: Quantizer) -> None:
        self._order = list(places(layer))
        self._calls: list[Call] | None = None
        held = {place.layer for place in self._order}  # one that stages share is there once

        @torch.compiler.disable
        def after(own: Any, args: Any, options: Any, output: QuantizerOutput) -> None:
            # A copy of the model has copies of the hooks.
            if self._calls is not None and own in held:
                place = self._order[len(self._calls) % len(self._order)]
                self._calls.append(Call(place, *_given(*args, **options), output))

        self._handles = [own.register_forward_hook(after, with_kwargs=True) for own in held]

    def begin(self) -> None:
        self._calls = []

    def end(self) -> list[Call]:
        """What they have done since; none where the layer raised."""
        calls, self._calls = self._calls or [], None
        return calls

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


@contextmanager
def recorded(layer: Quantizer) -> Iterator[list[Call]]:
    """What the quantizers with a codebook do while it is there, the layer itself or those in it."""
    recorder, calls = Recorder(layer), []
    recorder.begin()
    try:
        yield calls
    finally:
        calls += recorder.end()
        recorder.remove()


@torch.no_grad()
def evaluated(layer: Quantizer, x: Tensor) -> tuple[list[Call], QuantizerOutput]:
    """What the quantizers in a layer do in evaluation, and what it returns; it stays in the mode that it is in."""
    modes = {module: module.training for module in layer.modules()}
    layer.eval()
    try:
        with recorded(layer) as calls:
            output = layer(x)
    finally:
        for module, training in modes.items():
            module.training = training
    return calls, output


def _given(x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    return x, mask


class StackedUsage:
    """How much of each codebook of a layer is used, over a whole evaluation set: :class:`Usage` of all of them."""

    def __init__(self, layer: Quantizer) -> None:
        self._usages = {place.index: Usage(place.layer.codebook_size) for place in places(layer)}

    def update(self, indices: Tensor, weights: Tensor | None) -> None:
        """Counts a batch, as the layer returns it."""
        for index, usage in self._usages.items():
            usage.update(indices[(..., *index)], None if weights is None else weights[(..., *index, slice(None))])

    def compute(self) -> dict[str, float]:
        """The numbers of :meth:`Usage.compute`, the means over codebooks."""
        numbers = [usage.compute() for usage in self._usages.values()]
        return {name: sum(one[name] for one in numbers) / len(numbers) for name in numbers[0]}


def by_name(numbers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The numbers of a layer, as ``info`` has them, as scalars by name.

    Of several quantizers in one, each number is there for all of them (the mean, the largest or the sum) and after a
    stroke for each: ``kkt_relative``, ``kkt_relative/0``, ``kkt_relative/1``; of stages in groups ``kkt_relative/0/1``,
    by the index that their codes have.
    """
    found = {}
    for name, value in numbers.items():
        found[name] = _of_all(name, value.flatten()) if value.dim() else value
        for index in itertools.product(*map(range, value.shape)) if value.dim() else ():
            found[_named(name, index)] = value[index]
    return found


def together(numbers: Mapping[tuple[int, ...], Mapping[str, float]]) -> dict[str, float]:
    """The same of numbers by the index of their quantizer. A quantizer without any has NaN, and counts in no mean."""
    some = [one for one in numbers.values() if one]
    found = {}
    for name in some[0] if some else ():
        values = torch.tensor([one[name] for one in some], dtype=torch.float64, device="cpu")
        found[name] = float(_of_all(name, values))
        found.update((_named(name, index), one.get(name, math.nan)) for index, one in numbers.items() if index)
    return found


def _named(name: str, index: tuple[int, ...]) -> str:
    return "/".join([name, *map(str, index)])


def _of_all(name: str, values: Tensor) -> Tensor:
    if name.startswith(_LARGEST):
        return values.amax(0)
    return values.sum(0) if name in _SUMMED else values.double().mean(0)
