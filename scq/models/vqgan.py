"""VQGAN: an autoencoder of pictures that also learns from a discriminator, around any quantizer."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.func import functional_call

from scq.data.dataset import Dataset, LazyExamples
from scq.extras import need
from scq.models.autoencoding import PictureModel
from scq.models.average import Average
from scq.models.base import Objective
from scq.models.discriminator import (
    GeneratorTerm,
    PatchDiscriminator,
    adaptive_weight,
    discriminator_loss,
    generator_term,
)
from scq.perceptual.chosen import ChosenDistance, Perceptual
from scq.quantizers.base import Quantizer

_BETAS = (0.5, 0.9)
_GROUPS = 32


class VQGAN(PictureModel):
    r"""Encoder, quantizer, decoder, and a discriminator of patches.

    Two losses take turns, that of encoder, quantizer and decoder, and that of the discriminator D,

        loss      = |2 x - 2 y| + w_p perceptual(2 x, 2 y) + w generator term(D(2 y)) + loss of the quantizer
        disc_loss = (mean max(0, 1 - D(2 x)) + mean max(0, 1 + D(2 y))) / 2

    (means; x pictures in [-0.5, 0.5], y their reconstructions, so that 2 x is in [-1, 1] as in the published code). w
    is ``disc_weight``, times, when it is adaptive, the ratio of the gradients of what is before it and of the
    generator's term at the decoder's last layer, clamped to ``disc_weight_max``
    (:func:`scq.models.discriminator.adaptive_weight`); it is 0 before ``disc_start_share`` of the steps. D sees
    reconstructions of the same pass, detached.

    Encoder and decoder are those of diffusers' VQModel: a level of residual blocks for each multiplier, a halving of
    height and width between levels, attention at the last one and behind it. Losses, discriminator and the last layer
    are computed in float32 in every precision: gradients of those means are too small for float16.

    Args:
        quantizer: with channels at dimension 1, for latents of ``dim`` channels.
        dim: channels of a latent; 1 x 1 convolutions lead to them and back.
        width: channels of the first level.
        multipliers: channels of each level, in widths.
        residual_layers: residual blocks of a level of the encoder; the decoder has one more.
        attention: whether there is any.
        perceptual: "lpips", "features" (:class:`scq.perceptual.FeatureDistance`) or "none".
        perceptual_weight: w_p.
        lpips_weights: of LPIPS' network, a file; None for torch's cache and the net.
        disc_weight: see above; 0 for no discriminator at all.
        disc_adaptive: see above.
        disc_weight_max: see above.
        disc_start_share: share of the steps after which the generator's term counts.
        disc_warmup_share: share of the steps that D is trained before that.
        disc_layers: of D.
        disc_width: of D.
        generator_term: "hinge" or "non_saturating".
        ema_decay: of the moving average of the weights, which is evaluated too; 0 for none.

    Raises:
        MissingExtraError: the extra vqgan is not installed.
        ValueError: a quantizer whose channels are not at dimension 1, or sizes that cannot be.

    Source: Esser et al. 2021, arXiv 2012.09841; the losses as in its code, github.com/CompVis/taming-transformers.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        dim: int = 64,
        width: int = 64,
        multipliers: Sequence[int] = (1, 1, 2),
        residual_layers: int = 2,
        attention: bool = True,
        perceptual: Perceptual = "features",
        perceptual_weight: float = 1.0,
        lpips_weights: Path | None = None,
        disc_weight: float = 0.8,
        disc_adaptive: bool = True,
        disc_weight_max: float = 1e4,
        disc_start_share: float = 0.3,
        disc_warmup_share: float = 0.1,
        disc_layers: int = 1,
        disc_width: int = 32,
        generator_term: GeneratorTerm = "hinge",
        ema_decay: float = 0.0,
    ) -> None:
        super().__init__()
        need("vqgan")
        if quantizer.channel_dim != 1:
            raise ValueError(
                f"quantizer has channel_dim={quantizer.channel_dim}, must have 1: latents are (B, dim, h, w)"
            )
        for name, value in (("width", width), ("residual_layers", residual_layers), ("dim", dim)):
            if value < 1:
                raise ValueError(f"{name} is {value}, must be at least 1 for a VQGAN")
        if not multipliers or min(multipliers) < 1:
            raise ValueError(f"multipliers is {tuple(multipliers)}, must be one or more, each at least 1")
        from scq.models.diffusers import decoder, encoder

        widths = [width * factor for factor in multipliers]
        groups = math.gcd(_GROUPS, width)
        self.encoder = encoder(widths, dim, residual_layers, groups, attention)
        self.quant_conv = nn.Conv2d(dim, dim, 1)
        self.quantizer = quantizer
        self.post_quant_conv = nn.Conv2d(dim, dim, 1)
        self.decoder = decoder(widths, dim, residual_layers, groups, attention)
        # Apart, so that it can be computed in float32, and found.
        self.last, self.decoder.conv_out = self.decoder.conv_out, nn.Identity()
        self.stride = 2 ** (len(widths) - 1)
        """Pixels of height and width that become one latent."""
        self.discriminator = PatchDiscriminator(disc_layers, disc_width) if disc_weight else None
        self.average = Average(self._generator(), ema_decay) if ema_decay else None
        self._perceptual = None if perceptual == "none" else ChosenDistance(perceptual, lpips_weights)
        self._perceptual_weight = perceptual_weight
        self._disc_weight, self._disc_weight_max = disc_weight, disc_weight_max if disc_adaptive else None
        self._generator_term = generator_term
        self._from = (disc_start_share, disc_start_share - disc_warmup_share)
        # Of a model that is not being trained both are on.
        self._generator_learns = self._discriminator_learns = bool(disc_weight)

    @property
    def last_of_encoder(self) -> nn.Conv2d:
        return self.quant_conv

    def meet(self, dataset: Dataset) -> None:
        """Has the network of the perceptual term ready, which may have to be downloaded."""
        if self._perceptual is not None:
            self._perceptual.ready(self.last.weight.device)

    def before_step(self, step: int, steps: int) -> None:
        """Turns the discriminator and its term on when it is time."""
        self._generator_learns, self._discriminator_learns = (
            bool(self._disc_weight) and step > share * steps for share in self._from
        )

    def after_step(self, step: int) -> None:
        """Averages the weights."""
        if self.average is not None:
            self.average.update(self._generator(), step)

    def optimizers(self, learning_rate: float) -> Mapping[str, torch.optim.Optimizer]:
        """Adam with moments of 0.5 and 0.9 for both, as in the published code."""
        found = {"loss": torch.optim.Adam(self._generator().values(), lr=learning_rate, betas=_BETAS)}
        if self.discriminator is not None:
            parameters = self.discriminator.parameters()
            found["disc_loss"] = torch.optim.Adam(parameters, lr=learning_rate, betas=_BETAS)
        return found

    def encode(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B dim h w"]:
        """Latents, before quantization.

        Raises:
            ValueError: H or W is no multiple of ``stride``: the reconstruction would have another size.
        """
        stride = self.stride
        if pictures.ndim != 4 or pictures.shape[1] != 3 or pictures.shape[2] % stride or pictures.shape[3] % stride:
            raise ValueError(
                f"pictures has shape {tuple(pictures.shape)}, must be (B, 3, H, W), H and W multiples of {stride}"
            )
        return self.quant_conv(self.encoder(2 * pictures))

    def decode(self, quantized: Float[Tensor, "B dim h w"]) -> Float[Tensor, "B 3 H W"]:
        hidden = self.decoder(self.post_quant_conv(quantized))
        with torch.autocast(hidden.device.type, enabled=False):
            return self.last(hidden.to(self.last.weight.dtype)) / 2

    def loss(
        self, quantized: Float[Tensor, "B dim h w"], batch: Float[Tensor, "B 3 H W"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of encoder and decoder. Gradients do not reach the discriminator.

        Its numbers are mse (of pictures in [-0.5, 0.5]), l1, the perceptual distance by its own name, and where the
        discriminator's term counts generator_loss, that term, and disc_weight, w.
        """
        return self._loss(self.decode(quantized), batch)

    def objective(self, batch: Tensor, name: str, made: Tensor | None = None) -> Objective:
        """The loss of that name. Its reconstruction is kept for the discriminator."""
        if name == "disc_loss":
            return self._of_discriminator(batch, made)
        latents = self.encode(batch)
        quantized = self.quantizer(latents)
        reconstruction = self.decode(quantized.quantized)
        loss, numbers = self._loss(reconstruction, batch)
        numbers |= {"quantizer_loss": quantized.loss.detach()}
        return Objective(loss + quantized.loss, numbers, quantized, latents, reconstruction.detach())

    def distances(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        """The perceptual distance that it was trained with."""
        return {} if self._perceptual is None else {self._perceptual.title: self._perceptual}

    def averaged(self) -> AbstractContextManager[None]:
        return super().averaged() if self.average is None else self.average.applied(self._generator())

    def evaluate(self, examples: UInt8[Tensor, "N 3 H W"] | LazyExamples) -> dict[str, float]:
        """The numbers of :func:`scq.training.evaluate`, and as ema_... those of the averaged weights."""
        numbers = super().evaluate(examples)
        if self.average is not None:
            with self.averaged():
                numbers |= {f"ema_{name}": value for name, value in super().evaluate(examples).items()}
        return numbers

    def _generator(self) -> dict[str, nn.Parameter]:
        """The parameters that the first loss trains, by name."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if not name.startswith(("discriminator.", "average."))
        }

    def _loss(self, made: Tensor, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.autocast(made.device.type, enabled=False):
            return self._terms(made, batch.detach())

    def _terms(self, made: Tensor, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        # Each term is differentiated once, down to the picture: for the adaptive weight and for the update alike.
        seen = made.detach().requires_grad_()
        error = 2 * (seen - batch)
        value = error.abs().mean()
        numbers = {"mse": error.detach().square().mean() / 4, "l1": value.detach()}
        if self._perceptual is not None:
            distance = self._perceptual(2 * seen, 2 * batch).mean()
            value = value + self._perceptual_weight * distance
            numbers[self._perceptual.title] = distance.detach()
        (gradient,) = torch.autograd.grad(value, seen)
        if self._generator_learns and self.discriminator is not None:
            frozen = {name: parameter.detach() for name, parameter in self.discriminator.named_parameters()}
            term = generator_term(functional_call(self.discriminator, frozen, (2 * seen,)), self._generator_term)
            (towards,) = torch.autograd.grad(term, seen)
            weight = made.new_full((), self._disc_weight)
            if self._disc_weight_max is not None:
                weight = weight * adaptive_weight(made, self.last.weight, gradient, towards, self._disc_weight_max)
            value, gradient = value + weight * term, gradient + weight * towards
            numbers |= {"generator_loss": term.detach(), "disc_weight": weight}
        # The value of the terms, and their gradient.
        carrier = (made * gradient).sum()
        return value.detach() + carrier - carrier.detach(), numbers

    def _of_discriminator(self, batch: Tensor, made: Tensor | None) -> Objective:
        assert self.discriminator is not None
        if not self._discriminator_learns:
            return Objective(sum(p.sum() for p in self.discriminator.parameters()) * 0.0, {})
        if made is None:
            made = self._reconstruction(batch)
        with torch.autocast(batch.device.type, enabled=False):
            real, fake = self.discriminator(2 * batch.detach()), self.discriminator(2 * made)
            numbers = {"logits_real": real.detach().mean(), "logits_fake": fake.detach().mean()}
            return Objective(discriminator_loss(real, fake), numbers)

    @torch.no_grad()
    def _reconstruction(self, batch: Tensor) -> Tensor:
        """By the quantizer as it is in evaluation, which a pass leaves as it was."""
        training = self.quantizer.training
        self.quantizer.eval()
        try:
            return self(batch).reconstruction
        finally:
            self.quantizer.train(training)
