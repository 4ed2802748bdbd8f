"""For wav2vec 2.0 of transformers."""

import torch
from torch import Tensor, nn

from scq.adapters.adapter import Adapter
from scq.quantizers.base import Quantizer
from scq.quantizers.checks import at_least_one
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.stacked import StackedQuantizer
from scq.quantizers.usage import perplexity


def wav2vec2(quantizer: Quantizer, width: int, hard: bool = False) -> "Wav2Vec2Quantizer":
    """A quantizer for ``Wav2Vec2ForPreTraining.quantizer`` of transformers:
    ``model.quantizer = wav2vec2(quantizer, model.config.conv_dim[-1])``.

    The model's loss is a sum over masked frames and knows nothing of the quantizer's, which is a mean:
    ``out.loss / mask.sum() + model.quantizer.output.loss`` has both. Frames that are not masked count in neither.

    Args:
        quantizer: with ``channel_dim=-1`` and as many channels as ``codevector_dim`` of the model; a
            :class:`scq.Grouped` for several codebooks.
        width: channels of the features, which a linear layer takes to those of the quantizer.
        hard: of quantizers whose output is a mixture of codewords, whether codewords are the targets in its place.
            Mixtures are continuous targets: contrastive accuracy flatters them (arXiv 2006.11477, Table 4).

    Raises:
        TypeError, ValueError: naming the argument, what it was and what it must be.

    Source: Baevski et al., wav2vec 2.0, arXiv 2006.11477.
    """
    return Wav2Vec2Quantizer(quantizer, width, hard)


class Wav2Vec2Quantizer(Adapter):
    """Made by :func:`wav2vec2`.

    Learned:
        project: the linear layer.
    """

    def __init__(self, quantizer: Quantizer, width: int, hard: bool = False) -> None:
        super().__init__(quantizer, (-1, 2), hard)
        if not isinstance(quantizer, (ComposedQuantizer, StackedQuantizer)):
            raise TypeError(f"quantizer is a {type(quantizer).__name__}, must be a quantizer with a codebook")
        self.project = nn.Linear(at_least_one("width", width), quantizer.dim)

    def forward(self, hidden_states: Tensor, mask_time_indices: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Quantizes features (B, T, width).

        Args:
            hidden_states: the features.
            mask_time_indices: (B, T), True at the frames that count; the others become 0. None for all.

        Returns:
            (B, T, codevector_dim), and the perplexity, the sum over codebooks: in training of the mean weights, where
            there are weights, so that the model's diversity loss, their perplexity's, has a gradient; otherwise of the
            codes.
        """
        quantized = self.quantize(self.project(hidden_states), mask_time_indices)
        assert self.output is not None
        weights = self.output.weights
        if weights is None or not self.training:
            return quantized, self.output.info["hard_perplexity"].sum()
        # Weights are 0 at frames that do not count.
        mass = weights.flatten(0, 1).double().sum(0).reshape(-1, weights.shape[-1])
        return quantized, torch.stack([perplexity(own) for own in mass]).sum()

    @property
    def temperature(self) -> float:
        """That of Gumbel-softmax, which the model sets; this quantizer's is its own.

        Raises:
            AttributeError: always.
        """
        raise AttributeError("the temperature is the quantizer's own: it has a schedule, anneal_steps")

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        raise AttributeError(
            f"temperature is set to {temperature}, but is the quantizer's own: leave set_gumbel_temperature out; "
            "scq.quantizer('gumbel', ...) has a schedule, anneal_steps"
        )
