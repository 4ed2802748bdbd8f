"""What a codebook is: the tensors that hold it, where it starts, and what moves it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize

from scq.quantizers import processes
from scq.quantizers.checks import Named
from scq.quantizers.codebooks.start import initial_codebook, kmeans
from scq.quantizers.passes import refuse_transforms
from scq.solvers.finite import finite_rows
from scq.solvers.suggestions import among


class Codebook(Named, nn.Module, ABC):
    """A kind of codebook, as a module that owns what holds the codewords. It is made of its settings alone; the tensors
    come with the layer that it is given to, whose sizes it has from then on.

    Attributes:
        name: as the registry has it.
        trained: True when a gradient moves it.
        inits: the starts that it can have.
        size: K where the settings prescribe it, otherwise None.
        init: the start that it has.

    Buffers:
        initialized: 0 until k-means has seen the first training batch, of all processes. It travels in the state_dict,
            so that a loaded codebook is never started anew; a state_dict that has the codewords without it counts as
            initialized. A floating-point number, so that averages of models can be made of it: anything but 0 says yes.
    """

    trained: ClassVar[bool] = True
    inits: ClassVar[tuple[str, ...]] = ("normal", "uniform", "kmeans")
    size: int | None = None
    initialized: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.init: str | None = None

    @property
    def moves(self) -> bool:
        """Whether a training step moves buffers."""
        return type(self).observe is not Codebook.observe

    @abstractmethod
    def install(self, start: Float[Tensor, "K F"]) -> None:
        """Registers its parameters and buffers.

        Args:
            start: random codewords, as ``init`` says.
        """

    @abstractmethod
    def forward(self) -> Float[Tensor, "K F"]:
        """The codewords as they are now."""

    def restart(self, codewords: Float[Tensor, "K F"]) -> None:
        """Puts the codewords there; of kinds whose ``inits`` have ``"kmeans"``."""
        self._put("codewords", codewords)

    def derive(self, device: torch.device) -> None:
        """Makes anew, on that device, the buffers that are not saved because they follow from the settings."""

    def enter(self, latents: Float[Tensor, "N F"]) -> Float[Tensor, "N D"]:
        """The latents in the space where codes are chosen."""
        return latents

    def leave(self, codes: Float[Tensor, "N D"]) -> Float[Tensor, "N F"]:
        """Back in the space of the latents."""
        return codes

    def observe(
        self, latents: Float[Tensor, "N F"], indices: Int[Tensor, " N"], valid: Bool[Tensor, " N"] | None
    ) -> None:
        """Sees the latents of a training step and their codes; a codebook that follows them moves. What moves must be
        buffers."""

    def build(self, codebook_size: int, dim: int, init: str) -> "Codebook":
        """Makes its tensors, of codewords from torch's global generator.

        Raises:
            ValueError: another layer has it already, or it cannot start so.
        """
        if self.init is not None:
            raise ValueError(f"codebook is {self}, which another layer holds; must be one of its own")
        if init not in self.inits:
            of = "" if self.name == "direct" else f" for a {self.name} codebook"
            raise ValueError(f"init is {init!r}, {among(init, self.inits)}{of}")
        self._install(initial_codebook(codebook_size, dim, init))
        self.register_buffer("initialized", torch.tensor(float(init != "kmeans")))
        self.init = init
        # That the buffer was seen to be set: reading it at each forward would wait for the device, and break a compiled
        # graph. As long as it was not, the buffer alone counts.
        self._seen_initialized = False
        return self

    def _install(self, start: Float[Tensor, "K F"]) -> None:
        self.install(start)
        self._own = tuple(self._parameters)

    @torch.no_grad()
    def start(self, latents: Float[Tensor, "N F"], valid: Bool[Tensor, " N"] | None) -> None:
        """Takes the codewords from the latents of a training step by k-means, if that is its start and is still to
        come."""
        if self.init != "kmeans" or self._seen_initialized:
            return
        self._seen_initialized = bool(self.initialized)
        if self._seen_initialized:
            return
        refuse_transforms()
        latents = self.enter(latents.detach() if valid is None else latents.detach()[valid])
        codewords = self()
        # Of all processes, as one process with the joint batch would; of the first, as rounding may differ.
        points = processes.gathered(latents.to(codewords.dtype))
        if not finite_rows(points).any():
            return  # a batch that is empty, or padding, or nothing finite, is no start: the next one may be
        self.put(processes.of_the_first(kmeans(points, codewords)))

    @torch.no_grad()
    def put(self, codewords: Float[Tensor, "K F"]) -> None:
        """Puts codewords there that training goes on from: averages start anew at them, k-means leaves them.

        Raises:
            ValueError: a kind of codebook that prescribes its codewords, or one that cannot be written.
        """
        if "kmeans" not in self.inits:
            raise ValueError(f"codebook is {self.name}, whose codewords cannot be set: they follow from its parts")
        self.restart(codewords.detach().to(self()))
        self.initialized.fill_(1.0)
        self._seen_initialized = True

    def hold(self, codewords: Tensor) -> None:
        """Has another tensor for its codewords, for as long as torch.func.functional_call lends one, or for good.

        Raises:
            ValueError: a codebook that computes its codewords.
        """
        for tensors in (self._parameters, self._buffers):
            if "codewords" in tensors:
                tensors["codewords"] = codewords
                return
        raise ValueError(f"codebook is {self.name}, which computes its codewords; must be set by set_codebook")

    def learned(self) -> list[nn.Parameter]:
        """What freezing holds: its parameters, or those that torch.nn.utils.parametrize computes them from.

        Raises:
            ValueError: one that is no parameter any more, as torch.nn.utils.prune leaves it.
        """
        for name in self._own:
            self._check_own(name)
        return list(self.parameters())

    @torch.no_grad()
    def _put(self, name: str, value: Tensor) -> None:
        """Gives the parameter or buffer of that name this value; of one that is parametrized, by the inverse.

        Raises:
            ValueError: there is no inverse, or it is no parameter any more.
        """
        self._check_own(name)
        if not parametrize.is_parametrized(self, name):
            getattr(self, name).copy_(value)
            return
        for parametrization in self.parametrizations[name]:
            if not hasattr(parametrization, "right_inverse"):
                raise ValueError(
                    f"{name} is parametrized by {type(parametrization).__name__}, which must have a right_inverse for "
                    "the codewords to be set, by k-means too"
                )
        setattr(self, name, value)

    def _check_own(self, name: str) -> None:
        own = name in self._parameters or name in self._buffers or parametrize.is_parametrized(self, name)
        if not own:
            raise ValueError(
                f"{name} is computed by a hook before each forward, and cannot be set or frozen; must be a parameter, "
                "or parametrized by torch.nn.utils.parametrize"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Codebook":
        super()._apply(fn, recurse)
        if "initialized" in self._buffers:
            # Of what is not saved, to_empty leaves garbage.
            self.derive(self.initialized.device)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        flag = f"{prefix}initialized"
        if flag in state_dict:
            # Saved as a boolean before; assign=True would bring that back.
            state_dict[flag] = state_dict[flag].to(self.initialized.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args)
        if "initialized" not in self._buffers:
            return  # of one that another codebook holds, which has the flag
        if flag not in state_dict and any(key.startswith(prefix) for key in state_dict):
            self.initialized.fill_(1.0)
        self._seen_initialized = not self.initialized.is_meta and bool(self.initialized)
        self.derive(self.initialized.device)
