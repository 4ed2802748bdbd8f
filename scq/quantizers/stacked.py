"""Several quantizers as one layer: what residual and grouped codes have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.checks import at_least_one
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.layout import check_floating, check_indices

Make = Callable[[int], Quantizer] | Quantizer
"""A function that makes the quantizer of that number; or one quantizer, which all share."""


class Place(NamedTuple):
    """Where a quantizer with a codebook stands in a layer.

    Attributes:
        index: its code of a latent is ``indices[..., *index]``; empty where it is the layer itself.
        start: the first of its channels.
        layer: it. One that stages share stands in several places.
    """

    index: tuple[int, ...]
    start: int
    layer: ComposedQuantizer


class StackedQuantizer(Quantizer, ABC):
    """Several quantizers as one, with one output: :class:`Residual` and :class:`Grouped`.

    Args:
        name: what the number of them is called.
        number: of them, >= 1.
        make: gives them: quantizers with a codebook, or stacked ones, of the same number of codewords.

    Attributes:
        number: of them.
        layers: the quantizers; one alone where all share it.
        dim: channels of a latent.
        codebook_size: K, of each codebook.
    """

    dim: int

    def __init__(self, name: str, number: int, make: Make) -> None:
        self.number = at_least_one(name, number)
        shared = isinstance(make, nn.Module)
        if not callable(make):
            raise TypeError(f"make is {make!r}, must be a quantizer, or a function of a number that makes one")
        made = [cast(Quantizer, make)] if shared else [make(part) for part in range(number)]
        for part, layer in enumerate(made):
            where = "make" if shared else f"make({part})"
            if not isinstance(layer, (ComposedQuantizer, StackedQuantizer)):
                raise TypeError(f"{where} is a {type(layer).__name__}, must be a quantizer with a codebook")
            for attribute in ("codebook_size", "channel_dim"):
                own, first = getattr(layer, attribute), getattr(made[0], attribute)
                if own != first:
                    raise ValueError(f"{where} has {attribute}={own}, must have {first}, as make(0) has")
        if len(set(map(id, made))) < len(made):
            raise ValueError("make gives the same quantizer twice, must give a new one each time it is called")
        super().__init__(made[0].channel_dim)
        self.layers = nn.ModuleList(made)
        self.codebook_size: int = made[0].codebook_size
        for place in self.places() if shared and number > 1 else ():
            if place.layer.embedding.moves or place.layer.assignment.moves:
                raise ValueError(
                    "make is one quantizer for all, whose state moves while it is trained (a moving average, a "
                    "schedule), and would move several times a step; must be a function that makes one for each"
                )

    def parts(self) -> "list[ComposedQuantizer | StackedQuantizer]":
        """The quantizers in their order, a shared one as often as it is used."""
        layers = cast("list[ComposedQuantizer | StackedQuantizer]", list(self.layers))
        return layers if len(layers) == self.number else layers * self.number

    @property
    def diagnose(self) -> bool:
        """Whether any part is asked for the costly part of ``info``; set, it asks all of them."""
        return any(part.diagnose for part in self.parts())

    @diagnose.setter
    def diagnose(self, diagnose: bool) -> None:
        for part in self.parts():
            part.diagnose = diagnose

    @abstractmethod
    def first_channels(self) -> Sequence[int]:
        """The first channel of each part."""

    def places(self) -> Iterator[Place]:
        """The quantizers with a codebook in it, in the order in which they are called."""
        for number, (part, start) in enumerate(zip(self.parts(), self.first_channels(), strict=True)):
            for place in places(part):
                yield Place((*place.index, number), start + place.start, place.layer)

    @property
    def soft(self) -> bool:
        """Whether every part replaces a latent by a mixture of codewords, whose derivative is that of the mixture;
        others replace it by a codeword, and have a derivative made for it."""
        return all(place.layer.gradient.soft for place in self.places())

    def freeze(self, frozen: bool = True) -> None:
        """Holds all parts as they are, as :meth:`ComposedQuantizer.freeze` says; or lets them change again."""
        for part in self.parts():
            part.freeze(frozen)

    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The hard quantization: the codewords of those numbers, put together.

        Args:
            indices: as forward returns them, for any positions. -1, which a quantizer has that was dropped, adds 0.

        Returns:
            The shape of the positions with the channels put in at ``channel_dim``.

        Raises:
            TypeError: no tensor of integers.
            ValueError: codes of another number of quantizers.
        """
        check_indices(indices)
        self._check_number(indices)
        codes = indices.unbind(-1)
        return self._joined([_decoded(part, code) for part, code in zip(self.parts(), codes, strict=False)])

    def combine(self, weights: Float[Tensor, "... K"]) -> Float[Tensor, "..."]:
        """The soft quantization, weights times codebooks, put together, with the channels at ``channel_dim``.

        Raises:
            TypeError: no floating-point tensor.
            ValueError: weights of another number of quantizers or codewords.
        """
        check_floating("weights", weights)
        if weights.dim() < 2 or weights.shape[-2] != self.number:
            raise ValueError(
                f"weights has shape {tuple(weights.shape)}, must be (..., {self.number}, {self.codebook_size})"
            )
        own = weights.unbind(-2)
        return self._joined([part.combine(one) for part, one in zip(self.parts(), own, strict=True)])

    def extra_repr(self) -> str:
        return f"{self.number}, dim={self.dim}, channel_dim={self.channel_dim}"

    def _check_number(self, indices: Tensor) -> None:
        if indices.dim() == 0 or indices.shape[-1] != self.number:
            raise ValueError(f"indices has shape {tuple(indices.shape)}, must be (..., {self.number})")

    @abstractmethod
    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """What the quantized parts are together."""

    def _stacked(self, quantized: Tensor, outputs: Sequence[QuantizerOutput], loss: Tensor) -> QuantizerOutput:
        """One output of those of the parts."""
        weights = [output.weights for output in outputs if output.weights is not None]
        common = [name for name in outputs[0].info if all(name in output.info for output in outputs)]
        return QuantizerOutput(
            quantized,
            torch.stack([output.indices for output in outputs], -1),
            loss,
            torch.stack(weights, -2).to(quantized.dtype) if len(weights) == len(outputs) else None,
            {name: torch.stack([output.info[name] for output in outputs], -1) for name in common},
        )


def places(layer: Quantizer) -> Iterator[Place]:
    """The quantizers with a codebook in a layer, itself or its parts; none where it has no codebook."""
    if isinstance(layer, StackedQuantizer):
        yield from layer.places()
    elif isinstance(layer, ComposedQuantizer):
        yield Place((), 0, layer)


def _decoded(part: ComposedQuantizer | StackedQuantizer, indices: Tensor) -> Tensor:
    if isinstance(part, StackedQuantizer):
        return part.decode(indices)
    codewords = part.decode(indices.clamp_min(0))
    return codewords.where((indices >= 0).unsqueeze(part.channel_dim), 0.0)
