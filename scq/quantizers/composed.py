"""The quantizer with a codebook: four parts, put together."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scq.quantizers.assignments import Assigned, Assignment
from scq.quantizers.base import Quantizer, QuantizerOutput
from scq.quantizers.checks import at_least_one
from scq.quantizers.codebooks import Codebook
from scq.quantizers.combination import check_combination
from scq.quantizers.earlier import renamed
from scq.quantizers.gradients import Gradient
from scq.quantizers.layout import check_floating, check_indices, check_mask, from_rows, positions, to_rows
from scq.quantizers.means import mean
from scq.quantizers.parametrized import Parametrizations
from scq.quantizers.passes import refuse_second_pass, refuse_transforms
from scq.quantizers.regularizers import Quantized, Regularizer
from scq.quantizers.regularizers.regularizer import total
from scq.quantizers.setting import Setting
from scq.quantizers.usage import SUPPORT, counts, perplexity
from scq.solvers.padding import blanked

_HELD = "embedding.codewords"


class ComposedQuantizer(Quantizer):
    r"""The four choices by which quantizers differ, made one by one.

        latents -> assignment with the codebook -> what the gradient makes of it;   loss = sum_r weight_r term_r

    Args:
        codebook_size: K, the number of codewords.
        dim: F, the number of channels of a latent.
        codebook: what holds and moves the codewords, of :mod:`scq.quantizers.codebooks`.
        assignment: how a latent finds its code, of :mod:`scq.quantizers.assignments`.
        gradient: how a gradient passes, of :mod:`scq.quantizers.gradients`.
        regularizers: the terms of the loss, of :mod:`scq.quantizers.regularizers`.
        channel_dim: where the channels of the input are: -1 for (..., F), 1 for (B, F, H, W).
        init: ``"normal"``, ``"uniform"`` or ``"kmeans"``, see :func:`scq.quantizers.codebooks.start.initial_codebook`;
            kinds of codebook that prescribe their start take ``"normal"`` only.
        return_weights: False leaves ``weights`` out of the output, for large codebooks.

    Modules:
        embedding: the codebook. ``codebook`` is what its codewords are now.
        assignment: that part.

    A buffer moves once a training step; a layer whose buffers do refuses to be computed a second time in a backward, as
    under :mod:`torch.utils.checkpoint`.

    ``torch.compile(fullgraph=True)`` and ``torch.export`` take it whatever the parts are; with ``init="kmeans"`` after
    one training step, and with a solver as :class:`scq.SoftConvexQuantizer` says.

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be; or the parts that do not go
            together, and why.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        codebook: Codebook,
        assignment: Assignment,
        gradient: Gradient,
        regularizers: Sequence[Regularizer] = (),
        channel_dim: int = -1,
        init: str = "normal",
        return_weights: bool = True,
    ) -> None:
        super().__init__(channel_dim)
        self.codebook_size, self.dim = at_least_one("codebook_size", codebook_size), at_least_one("dim", dim)
        for name, part, kind in (
            ("codebook", codebook, Codebook),
            ("assignment", assignment, Assignment),
            ("gradient", gradient, Gradient),
        ):
            if not isinstance(part, kind):
                raise TypeError(f"{name} is {part!r}, must be an instance of {kind.__name__}")
        self.regularizers = tuple(regularizers)
        for regularizer in self.regularizers:
            if not isinstance(regularizer, Regularizer):
                raise TypeError(f"regularizers has {regularizer!r}, must have instances of Regularizer")
        check_combination(codebook, assignment, gradient, self.regularizers)
        self.embedding = codebook.build(codebook_size, dim, init)
        self.assignment, self.gradient, self.return_weights = assignment, gradient, return_weights
        self._frozen = False
        # After the codebook, whose flag says on which device.
        self.register_load_state_dict_post_hook(_derive_assignment)

    @classmethod
    def of(cls, *parts: Any, **options: Any) -> "ComposedQuantizer":
        """A layer of those parts, given as to :class:`ComposedQuantizer`, with the names of this class: a subclass may
        have another signature."""
        layer = cls.__new__(cls)
        ComposedQuantizer.__init__(layer, *parts, **options)
        return layer

    @property
    def codebook(self) -> Float[Tensor, "K F"]:
        """The codewords as they are now: a parameter, a buffer, or a product of those, as the kind of codebook says."""
        return self.embedding()

    @property
    def parametrizations(self) -> Parametrizations:
        """Of ``codebook``, for :mod:`torch.nn.utils.parametrize`; they are the codebook's."""
        return Parametrizations(self.embedding)

    @property
    def codebook_initialized(self) -> Float[Tensor, ""]:
        """0 until k-means has seen the first training batch, where that is the start."""
        return self.embedding.initialized

    def forward(self, x: Float[Tensor, "..."], mask: Bool[Tensor, "..."] | None = None) -> QuantizerOutput:
        """Quantizes x.

        float16 and bfloat16 are computed with in float32, also under autocast.

        Returns:
            ``weights``: (..., K), in the dtype of x; None when they are the one-hot vectors of ``indices``. ``info``
            has hard_perplexity and active_codes of this batch, and where there are weights soft_perplexity, and
            support_size and largest_weight, means over latents; and what the assignment says.

        Raises:
            TypeError, ValueError: x of another dtype or number of channels than the layer's, a mask of another dtype or
                shape than that of the latents, or a codebook that a solver finds not finite.
            RuntimeError: within torch.func's transforms while an average, a schedule or a k-means start would move the
                layer's state; of a solver, under ``torch.jit.trace``.
            solvers.BackendMissingError, solvers.SolveError: of a solver, its package is not installed; latents were not
                solved, and it was to raise.
        """
        check_floating("x", x)
        if torch.jit.is_tracing() and not self.assignment.traceable:
            raise RuntimeError(
                "torch.jit.trace sees no solver, and would make a constant of its answer to the example; torch.export "
                "takes this layer"
            )
        with torch.autocast(x.device.type, enabled=False):
            valid = check_mask(x, mask, self.channel_dim)
            latents, codebook = self._rows(x, valid)
            assigned: Assigned = self.assignment(latents, codebook, valid)
            if assigned.weights is not None and valid is not None:
                indices, codeword, source, weights, *rest = assigned
                assigned = Assigned(indices, codeword, source, weights.where(valid), *rest)
            weights = self._dense(assigned)
            loss = self.loss_of(latents, assigned, valid, weights)
            if self.training and not self._frozen:
                self.embedding.observe(latents, assigned.indices, valid)
                self.assignment.advance()
            info = self._info(assigned, valid)
            info.update(self.assignment.info(latents, codebook, assigned, valid, self.diagnose))
            # Last, and in here: torch.export.save refuses a graph where nothing comes between what has no gradient and
            # the end of what autocast leaves alone.
            rows, indices = self.embedding.leave(self.gradient(assigned)), assigned.indices
            if valid is not None:
                rows, indices = blanked(rows, valid), blanked(indices, valid)
            shape = positions(x, self.channel_dim)
            if weights is not None:
                weights = weights.to(x.dtype).reshape(*shape, self.codebook_size)
            return QuantizerOutput(
                from_rows(rows.to(x.dtype), x, self.channel_dim),
                indices.reshape(shape),
                loss,
                weights if self.return_weights else None,
                info,
            )

    def loss_of(
        self,
        latents: Float[Tensor, "N D"],
        assigned: Assigned,
        valid: Bool[Tensor, " N"] | None = None,
        weights: Float[Tensor, "N K"] | None = None,
    ) -> Float[Tensor, ""]:
        """The layer's term of the training loss, sum_r weight_r term_r, of latents and whatever codes of theirs.

        Args:
            latents: (N, D), as the codebook takes them.
            assigned: their codes. Latents that failed add 0.
            valid: False at padded positions, which add 0 too.
            weights: (N, K), those of the codes where they are there already.
        """
        if weights is None:
            weights = self._dense(assigned)
        z, reconstruction = latents, assigned.source if self.gradient.soft else assigned.codeword
        if assigned.failed is None:
            return total(self.regularizers, Quantized(z, reconstruction, weights, assigned.log_weights, valid))
        counted = ~assigned.failed if valid is None else ~assigned.failed & valid
        # where, not a product: NaN times 0 is NaN, in the gradient too.
        z, reconstruction = (blanked(rows, counted) for rows in (z, reconstruction))
        quantized = Quantized(z, reconstruction, weights, assigned.log_weights, counted, assigned.failed, valid)
        return total(self.regularizers, quantized)

    def freeze(self, frozen: bool = True) -> None:
        """Holds what the layer makes of a latent as it is; or lets it change again.

        What the codebook consists of, and what is learned beside it, asks for no gradient and has none left, a moving
        average stops, no k-means replaces it, and no schedule goes on. Latents go on receiving their gradient.
        """
        learned = [*self.embedding.learned(), *self.assignment.parameters()]
        self._frozen = frozen
        for parameter in learned:
            parameter.requires_grad_(not frozen)
            if frozen:
                # An optimiser moves what has a gradient, if only by momentum and weight decay.
                parameter.grad = None

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
        self.embedding.put(codewords)

    def decode(self, indices: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The codewords of that number, differentiable with respect to the codebook.

        Args:
            indices: of any shape, as forward returns them.

        Returns:
            That shape with the channels put in at ``channel_dim``.

        Raises:
            TypeError: no tensor of integers.
        """
        check_indices(indices)
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
        return (
            f"{self.codebook_size}, {self.dim}, channel_dim={self.channel_dim}, init={self.embedding.init!r}, "
            f"{self.gradient}, regularizers={list(self.regularizers)}"
        )

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """As of every module, but that codewords which are a parameter go by the layer's own name, ``codebook``, which
        functional_call takes too. In a state_dict, within a model, and where torch asks for all names, they go by where
        they are held."""
        for name, parameter in super().named_parameters(prefix, recurse, remove_duplicate):
            held = remove_duplicate and name.endswith(_HELD)
            yield (name.removesuffix(_HELD) + "codebook" if held else name), parameter

    def __setattr__(self, name: str, value: Any) -> None:
        # functional_call lends any tensor, and puts the parameter back. By hand it must be a parameter to be trained.
        if name == "codebook" and isinstance(value, Tensor):
            self.embedding.hold(value)
        elif isinstance(getattr(type(self), name, None), Setting):
            # nn.Module would keep a schedule as a part of the layer, where nothing reads it.
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _rows(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Latents as the codebook takes them, (N, D), and its codewords (K, F), in the wider of both dtypes, and at
        least float32."""
        rows = to_rows(x, self.dim, self.channel_dim)
        if self.training and not self._frozen:
            self.embedding.start(rows, valid)
            if self.embedding.moves or self.assignment.moves:
                refuse_second_pass(self.embedding.initialized)
                refuse_transforms()
        codebook = self.codebook
        dtype = torch.promote_types(torch.promote_types(x.dtype, codebook.dtype), torch.float32)
        rows = rows.to(dtype)
        if valid is not None:
            # What padding holds must not come near a sum: NaN times 0 is NaN.
            rows = blanked(rows, valid)
        return self.embedding.enter(rows), codebook.to(dtype)

    def _dense(self, assigned: Assigned) -> Tensor | None:
        """(N, K), where there are weights and somebody looks at them."""
        wanted = self.return_weights or any(regularizer.of_weights for regularizer in self.regularizers)
        return assigned.weights.dense() if assigned.weights is not None and wanted else None

    def _info(self, assigned: Assigned, valid: Bool[Tensor, " N"] | None) -> dict[str, Tensor]:
        used = counts(assigned.indices, self.codebook_size, valid)
        info = {"hard_perplexity": perplexity(used), "active_codes": (used > 0).sum()}
        if assigned.weights is not None:
            weights = assigned.weights.detach()
            info.update(
                soft_perplexity=perplexity(weights.mass()),
                support_size=mean((weights.values > SUPPORT).sum(1).double(), valid),
                largest_weight=mean(weights.largest()[0], valid),
            )
        return info

    def _apply(self, fn: Any, recurse: bool = True) -> "ComposedQuantizer":
        super()._apply(fn, recurse)
        _derive_assignment(self)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        renamed(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _derive_assignment(layer: ComposedQuantizer, _: Any = None) -> None:
    # Of what is not saved, to_empty leaves garbage, and a layer made without memory has none.
    layer.assignment.derive(layer.embedding.initialized.device)
