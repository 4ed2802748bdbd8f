"""What every quantizer takes, returns and offers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils._pytree import _register_namedtuple

from scq.quantizers import processes
from scq.quantizers.checks import at_least_one
from scq.quantizers.codebook import initial_codebook, kmeans
from scq.quantizers.codebooks import Codebook, Direct
from scq.quantizers.layout import check_floating, kind_of, positions, to_rows
from scq.quantizers.passes import refuse_second_pass, refuse_transforms
from scq.quantizers.regularizers import Regularizer
from scq.solvers.finite import finite_rows
from scq.solvers.suggestions import among


class QuantizerOutput(NamedTuple):
    """The result of a quantizer, in the order that users of vector quantization expect.

    Attributes:
        quantized: of the shape and dtype of the input.
        indices: the hard code of each latent: the input's shape without the channels.
        loss: a scalar to add to the training loss, in float32 or wider.
        weights: (..., K), the weights of each latent over the codewords; None when they are the one-hot vectors of
            ``indices``, when there is no codebook, or when they were not asked for.
        info: detached scalars for the log.
    """

    quantized: Float[Tensor, "..."]
    indices: Int[Tensor, "..."]
    loss: Float[Tensor, ""]
    weights: Float[Tensor, "..."] | None
    info: dict[str, Tensor]


# Otherwise torch.export.save refuses what a layer returns.
_register_namedtuple(QuantizerOutput, serialized_type_name="scq.QuantizerOutput")


class Quantizer(nn.Module, ABC):
    """A layer that replaces each latent by something that a codebook describes.

    Attributes:
        diagnose: set it to True for the costly part of ``info`` (the KKT residuals of a quantizer that solves).
    """

    def __init__(self, channel_dim: int = -1) -> None:
        super().__init__()
        if isinstance(channel_dim, bool) or not isinstance(channel_dim, int):
            raise TypeError(f"channel_dim is {channel_dim!r}, must be an integer")
        self.channel_dim = channel_dim
        self.diagnose = False

    @abstractmethod
    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes the latents in x, whose channels are at ``channel_dim``.

        Args:
            mask: of the shape of ``indices``, False at padded positions. What stands there counts neither in the loss
                nor in ``info`` nor in what a codebook follows, receives no gradient, and becomes 0: quantized, index
                and weights.
        """

    @abstractmethod
    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The hard quantization: the codewords of that number, with the channels at ``channel_dim``."""


class CodebookQuantizer(Quantizer):
    """A quantizer with a codebook.

    Attributes:
        codebook: (K, F), the codewords as they are now: a parameter, a buffer, or a product of those, as its kind says.
        kind: the kind of codebook.
        regularizers: the terms of the loss; their weights may be changed while training.

    Buffers:
        codebook_initialized: 0 until k-means has seen the first training batch, of all processes. It travels in the
            state_dict, so that a loaded codebook is never initialised again; a state_dict that has the codewords
            without it counts as initialised. A floating-point number, so that averages of models can be made of it:
            anything but 0 says yes.

    A buffer moves once a training step; a layer whose buffers do refuses to be computed a second time in a backward, as
    under :mod:`torch.utils.checkpoint`.
    """

    codebook: Tensor
    codebook_initialized: Tensor

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        channel_dim: int = -1,
        init: str = "normal",
        codebook: Codebook | None = None,
        regularizers: Sequence[Regularizer] = (),
    ) -> None:
        super().__init__(channel_dim)
        self.codebook_size, self.dim = at_least_one("codebook_size", codebook_size), at_least_one("dim", dim)
        self.kind = Direct() if codebook is None else codebook
        if not isinstance(self.kind, Codebook):
            raise TypeError(f"codebook is {codebook!r}, must be a Codebook")
        if init not in self.kind.inits:
            of = "" if isinstance(self.kind, Direct) else f" for a {self.kind.name} codebook"
            raise ValueError(f"init is {init!r}, {among(init, self.kind.inits)}{of}")
        self.init = init
        self.regularizers = tuple(regularizers)
        for regularizer in self.regularizers:
            if not isinstance(regularizer, Regularizer):
                raise TypeError(f"regularizers has {regularizer!r}, must have instances of Regularizer")
        self.kind.install(self, initial_codebook(codebook_size, dim, init))
        self._holds = {*self._parameters, *self._buffers, *self._modules}
        self.register_buffer("codebook_initialized", torch.tensor(float(init != "kmeans")))
        # That the buffer was seen to be set: reading it at each forward would wait for the device, and break a compiled
        # graph. As long as it was not, the buffer alone counts.
        self._seen_initialized = False
        self._frozen = False

    def __getattr__(self, name: str) -> Any:
        # torch looks among parameters and buffers only.
        if name == "codebook" and self.kind.computed:
            return self.kind.codewords(self)
        return super().__getattr__(name)

    def freeze(self, frozen: bool = True) -> None:
        """Holds what the layer makes of a latent as it is; or lets it change again.

        What the codebook consists of, and what is learned beside it, asks for no gradient and has none left, a moving
        average stops, no k-means replaces it, and no schedule goes on. Latents go on receiving their gradient.
        """
        self._frozen = frozen
        for parameter in self._learned():
            parameter.requires_grad_(not frozen)
            if frozen:
                # An optimiser moves what has a gradient, if only by momentum and weight decay.
                parameter.grad = None

    @torch.no_grad()
    def set_codebook(self, codewords: Float[Tensor, "K F"]) -> None:
        """Puts the codewords there, as where training goes on from: averages start anew at them, k-means leaves them.

        Args:
            codewords: (K, F), finite. A spherical codebook takes their directions; one that is parametrized becomes
                what its parametrization makes of them.

        Raises:
            TypeError: no floating-point tensor.
            ValueError: another shape, entries that are not finite, or a kind of codebook that prescribes its codewords.
        """
        check_floating("codewords", codewords)
        expected = (self.codebook_size, self.dim)
        if codewords.shape != expected:
            raise ValueError(f"codewords has shape {tuple(codewords.shape)}, must be {expected}")
        if not codewords.isfinite().all():
            raise ValueError("codewords has NaN or infinite entries, must be finite")
        if "kmeans" not in self.kind.inits:
            raise ValueError(f"codebook is {self.kind.name}, whose codewords cannot be set: they follow from its parts")
        self._put(codewords)

    def _put(self, codewords: Tensor) -> None:
        self.kind.restart(self, codewords.detach().to(self.codebook))
        self.codebook_initialized.fill_(1.0)
        self._seen_initialized = True

    def _learned(self) -> list[nn.Parameter]:
        """What freezing holds."""
        return self.kind.parameters(self)

    def _state_moves(self) -> bool:
        """Whether a forward changes more than the k-means start, which is done before anything is quantized."""
        return False

    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The codewords of that number, differentiable with respect to the codebook.

        Args:
            indices: of any shape, as forward returns them.

        Returns:
            That shape with the channels put in at ``channel_dim``.

        Raises:
            TypeError: no tensor of integers.
        """
        if not isinstance(indices, Tensor) or indices.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"indices is {kind_of(indices)}, must be a tensor of torch.int64 or torch.int32")
        return nn.functional.embedding(indices, self.codebook).movedim(-1, self.channel_dim)

    def combine(self, weights: Float[Tensor, "... K"]) -> Float[Tensor, "..."]:
        """The soft quantization, weights times codebook, with the channels at ``channel_dim``.

        Raises:
            TypeError: no floating-point tensor.
            ValueError: when the last dimension of ``weights`` is not codebook_size.
        """
        check_floating("weights", weights)
        if weights.dim() == 0 or weights.shape[-1] != self.codebook_size:
            raise ValueError(f"weights has shape {tuple(weights.shape)}, must be (..., {self.codebook_size})")
        return (weights @ self.codebook.to(weights.dtype)).movedim(-1, self.channel_dim)

    def extra_repr(self) -> str:
        return f"{self.codebook_size}, {self.dim}, channel_dim={self.channel_dim}, init={self.init!r}, {self.kind}"

    def _rows(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Latents (N, F) and codebook (K, F), both in the wider of their dtypes and at least float32."""
        latents = to_rows(x, self.dim, self.channel_dim)
        if self._starts():
            refuse_transforms()
            self._start_at(latents.detach() if valid is None else latents.detach()[valid])
        if self.training and not self._frozen and self._state_moves():
            refuse_second_pass(self.codebook_initialized)
            refuse_transforms()
        codebook = self.codebook
        dtype = torch.promote_types(torch.promote_types(x.dtype, codebook.dtype), torch.float32)
        return latents.to(dtype), codebook.to(dtype)

    def _valid(self, x: Tensor, mask: Tensor | None) -> Tensor | None:
        """The mask as rows.

        Raises:
            TypeError: a mask that is not boolean.
            ValueError: one of another shape than the positions of x.
        """
        if mask is None:
            return None
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            raise TypeError(f"mask is {kind_of(mask)}, must be torch.bool")
        if mask.shape != positions(x, self.channel_dim):
            expected = tuple(positions(x, self.channel_dim))
            raise ValueError(f"mask has shape {tuple(mask.shape)}, must be {expected}, that of x without its channels")
        return mask.reshape(-1)

    def _starts(self) -> bool:
        """Whether k-means is still to come."""
        if self.init != "kmeans" or self._seen_initialized or not self.training or self._frozen:
            return False
        self._seen_initialized = bool(self.codebook_initialized)
        return not self._seen_initialized

    @torch.no_grad()
    def _start_at(self, latents: Tensor) -> None:
        codebook, latents = self.codebook, self.kind.enter(self, latents)
        # Of all processes, as one process with the joint batch would; of the first, as rounding may differ.
        points = processes.gathered(latents.to(codebook.dtype))
        if not finite_rows(points).any():
            return  # a batch that is empty, or padding, or nothing finite, is no start: the next one may be
        self._put(processes.of_the_first(kmeans(points, codebook)))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "CodebookQuantizer":
        super()._apply(fn, recurse)
        # Of what is not saved, to_empty leaves garbage.
        self._derive(self.codebook_initialized.device)
        return self

    def _derive(self, device: torch.device) -> None:
        """Makes anew, on that device, the buffers that are not saved because they follow from the settings."""
        self.kind.derive(self, device)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        self.kind.upgrade(state_dict, prefix)
        flag = f"{prefix}codebook_initialized"
        if flag in state_dict:
            # Saved as a boolean before; assign=True would bring that back.
            state_dict[flag] = state_dict[flag].to(self.codebook_initialized.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args)
        if flag not in state_dict:
            names = {key.removeprefix(prefix).split(".")[0] for key in state_dict if key.startswith(prefix)}
            if names & {*self._holds, "parametrizations"}:
                self.codebook_initialized.fill_(1.0)
        self._seen_initialized = not self.codebook_initialized.is_meta and bool(self.codebook_initialized)
        self._derive(self.codebook_initialized.device)
