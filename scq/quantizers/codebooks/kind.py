"""What a kind of codebook is: which tensors hold it, and what moves it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize

from scq.quantizers.checks import Named


class Codebook(Named, ABC):
    """A kind of codebook. It has settings only; the tensors belong to the layer that it is installed in.

    Attributes:
        name: as the registry has it.
        trained: True when a gradient moves it.
        computed: True when :meth:`codewords` makes them, False when the layer has them as ``codebook``.
        inits: the starts that it can have.
    """

    trained: ClassVar[bool] = True
    computed: ClassVar[bool] = False
    inits: ClassVar[tuple[str, ...]] = ("normal", "uniform", "kmeans")

    @property
    def moves(self) -> bool:
        """Whether a training step moves buffers of the layer."""
        return type(self).observe is not Codebook.observe

    @abstractmethod
    def install(self, layer: nn.Module, start: Float[Tensor, "K F"]) -> None:
        """Registers its parameters and buffers in the layer.

        Args:
            start: random codewords, as ``init`` says.
        """

    def codewords(self, layer: nn.Module) -> Float[Tensor, "K F"]:
        """The codewords as they are now, of kinds that compute them."""
        raise NotImplementedError

    def parameters(self, layer: nn.Module) -> list[nn.Parameter]:
        """What freezing the codebook freezes."""
        return parameters_of(layer, "codebook")

    @torch.no_grad()
    def restart(self, layer: nn.Module, codewords: Float[Tensor, "K F"]) -> None:
        """Puts the codewords there; of kinds whose ``inits`` have ``"kmeans"``."""
        put(layer, "codebook", codewords)

    def derive(self, layer: nn.Module, device: torch.device) -> None:
        """Makes anew, on that device, the buffers that are not saved because they follow from the settings."""

    def upgrade(self, state: dict[str, Tensor], prefix: str) -> None:
        """Makes what an earlier version saved what this one loads, in place."""

    def enter(self, layer: nn.Module, latents: Float[Tensor, "N F"]) -> Float[Tensor, "N D"]:
        """The latents in the space where codes are chosen."""
        return latents

    def leave(self, layer: nn.Module, codes: Float[Tensor, "N D"]) -> Float[Tensor, "N F"]:
        """Back in the space of the latents."""
        return codes

    def observe(
        self,
        layer: nn.Module,
        latents: Float[Tensor, "N F"],
        indices: Int[Tensor, " N"],
        valid: Bool[Tensor, " N"] | None,
    ) -> None:
        """Sees the latents of a training step and their codes; a codebook that follows them moves. What moves must be
        buffers of the layer."""


def parameters_of(layer: nn.Module, *names: str) -> list[nn.Parameter]:
    """The parameters of those names, or those that torch.nn.utils.parametrize computes them from.

    Raises:
        ValueError: one that is no parameter any more, as torch.nn.utils.prune leaves it.
    """
    found = []
    for name in names:
        if parametrize.is_parametrized(layer, name):
            found += layer.parametrizations[name].parameters()
        else:
            _check_own(layer, name)
            found.append(getattr(layer, name))
    return found


@torch.no_grad()
def put(layer: nn.Module, name: str, value: Tensor) -> None:
    """Gives the parameter or buffer of that name this value; of one that is parametrized, by the inverse.

    Raises:
        ValueError: there is no inverse, or it is no parameter any more.
    """
    if not parametrize.is_parametrized(layer, name):
        _check_own(layer, name)
        getattr(layer, name).copy_(value)
        return
    for parametrization in layer.parametrizations[name]:
        if not hasattr(parametrization, "right_inverse"):
            raise ValueError(
                f"{name} is parametrized by {type(parametrization).__name__}, which must have a right_inverse for the "
                "codewords to be set, by k-means too"
            )
    setattr(layer, name, value)


def _check_own(layer: nn.Module, name: str) -> None:
    if name not in layer._parameters and name not in layer._buffers:
        raise ValueError(
            f"{name} is computed by a hook before each forward, and cannot be set or frozen; must be a parameter, or "
            "parametrized by torch.nn.utils.parametrize"
        )
