"""What training knows of a model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from scq.data.dataset import Dataset, Examples
from scq.quantizers.base import Quantizer, QuantizerOutput


class Objective(NamedTuple):
    """One of the losses that a model is trained with, on a batch.

    Attributes:
        loss: a scalar.
        numbers: detached scalars for the log, by name.
        quantized: the quantizer's output, of the loss that trains it; None of others.
        latents: what the quantizer was given, as ``quantized``.
        made: what the losses after it are given of this pass, detached, as the reconstruction; None where they need
            nothing.
    """

    loss: Tensor
    numbers: dict[str, Tensor]
    quantized: QuantizerOutput | None = None
    latents: Tensor | None = None
    made: Tensor | None = None


class Model(nn.Module, ABC):
    r"""A network around a quantizer. Training, the gap, the dumps and the report need no more of it than is here.

    Its loss is, as a function of a batch x, latents z and quantized latents z_q,

        z = encode(x),   L = loss(z_q, x) + loss of the quantizer(z, z_q).

    Called with a batch, it does what evaluation does with it: encodes, quantizes and, where it has a decoder, decodes.

    The class is made from the quantizer, ``dim`` (F, the channels of a latent) and the settings that its entry in
    :mod:`scq.models.registry` lists, by name; weights start from torch's global random state.

    A model that is trained with several losses in turn (adversarially) names an optimiser for each in
    :meth:`optimizers`, and computes each in :meth:`objective`.
    """

    channel_dim: ClassVar[int] = -1
    """Where its latents have their channels."""

    quantizer: Quantizer

    def meet(self, dataset: Dataset) -> None:
        """Takes from the data what the loss needs, whenever training begins or goes on. By default nothing.

        What is taken is no part of the model's state: a model that was loaded has it once it has met the data.
        """

    def start(self, batch: Tensor, **settings: Any) -> None:
        """Before the first step, and not when training goes on: what an untrained model is given. By default nothing.

        Args:
            batch: the first one.
            **settings: those that its entry lists as ``starting``.
        """

    def before_step(self, step: int, steps: int) -> None:
        """Before each step of training, in whatever process. By default nothing.

        Args:
            step: its number, from 1; of a run that goes on, the next one.
            steps: how many there will be.
        """

    def after_step(self, step: int) -> None:
        """After the update of all optimisers. By default nothing."""

    def optimizers(self, learning_rate: float) -> Mapping[str, torch.optim.Optimizer]:
        """An optimiser for each of the losses, which take turns in this order. By default Adam of all parameters.

        A parameter belongs to one, or to none if nothing trains it. The first, "loss", is that of the quantizer; others
        are named as in the log, "critic_loss".
        """
        return {"loss": torch.optim.Adam(self.parameters(), lr=learning_rate)}

    @abstractmethod
    def encode(self, batch: Tensor) -> Tensor:
        """The latents of a batch, as the quantizer takes them."""

    @torch.no_grad()
    def encode_to_codes(self, batch: Tensor) -> Tensor:
        """The hard codes of a batch, integers from 0 to K - 1: those of evaluation, in whatever mode the model is.

        Args:
            batch: as the model takes it; pictures in [-0.5, 0.5], as :func:`scq.data.to_float` makes them.
        """
        training = self.quantizer.training
        self.quantizer.eval()
        try:
            return self.quantizer(self.encode(batch)).indices
        finally:
            self.quantizer.train(training)

    @abstractmethod
    def loss(self, quantized: Tensor, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss without the quantizer's terms.

        Args:
            quantized: what the latents became.
            batch: that they are of.

        Returns:
            A scalar, and detached numbers of the log by name, as "mse".
        """

    def objective(self, batch: Tensor, name: str, made: Tensor | None = None) -> Objective:
        """The loss that the optimiser of that name makes smaller. Gradients that reach parameters of others are left
        aside. By default there is one.

        Args:
            batch: as the model takes it.
            name: of the loss, as :meth:`optimizers` has it.
            made: what a loss before it in the same step has made of the same batch (``Objective.made``); not given
                where none has made anything.
        """
        latents = self.encode(batch)
        quantized = self.quantizer(latents)
        loss, numbers = self.loss(quantized.quantized, batch)
        numbers = numbers | {"quantizer_loss": quantized.loss.detach()}
        return Objective(loss + quantized.loss, numbers, quantized, latents)

    @abstractmethod
    def evaluate(self, examples: Examples) -> dict[str, float]:
        """The numbers of the model, in evaluation mode, on held-out examples as the data set holds them."""

    @abstractmethod
    def samples(self, examples: Tensor) -> Tensor:
        """What the model makes of held-out examples, as the data set holds them, for people to look at."""
