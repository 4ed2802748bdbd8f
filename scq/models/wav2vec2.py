"""wav2vec 2.0 of transformers around any quantizer: it learns to tell a masked frame's quantized target from others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int16
from torch import Tensor, nn

from scq.data.dataset import Dataset
from scq.data.speech_data import SpeechData, waves
from scq.extras import need
from scq.models.base import Model, Objective
from scq.models.starting import calibrate
from scq.quantizers.base import Quantizer, QuantizerOutput

MASK_LENGTH, MASK_SHARE, MIN_MASKS = 4, 0.5, 2
"""Frames of a span; the share of frames in spans, before spans overlap; spans of a window at least."""

NEGATIVES = 20
"""Masked frames of the same window that each is to be told from."""

_STRIDES = {8000: (5, 2, 2, 2, 2, 2), 16000: (5, 2, 2, 2, 2, 2, 2)}
"""Of the convolutions, by the rate: 20 ms a frame."""

_KERNELS = (10, 3, 3, 3, 3, 2, 2)


class Draw(NamedTuple):
    """What is masked in a batch, and what each masked frame is to be told from.

    Attributes:
        masks: (B, T).
        negatives: (B, T, 20), numbers of frames of the batch; of no meaning where nothing is masked.
        frames: the numbers of the masked frames, of all frames of the batch in turn.
    """

    masks: Bool[Tensor, "B T"]
    negatives: Int[Tensor, "B T negatives"]
    frames: Int[Tensor, " masked"]


class _Port(nn.Module):
    """Stands where the network has its quantizer, and hands what that is given to whoever asks."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Callable[[Tensor], Tensor] | None = None

    def forward(self, hidden_states: Tensor, mask_time_indices: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert self.answer is not None
        # The network's own diversity loss has weight 0: quantizers bring what losses they have.
        return self.answer(hidden_states), hidden_states.new_zeros(())


class Wav2Vec2(Model):
    r"""transformers' Wav2Vec2ForPreTraining, small, with any quantizer in place of its Gumbel-softmax.

    Convolutions make a feature of every 20 ms of the wave; spans of them are masked, and a transformer makes contexts c
    of what is left. Each feature, through a linear layer, is a latent z; z_q is the target of its frame. For the masked
    frames t, with 20 negatives of the same window,

        loss = mean_t -log (exp(sim(c_t, q_t) / 0.1) / sum_{n in t and negatives} exp(sim(c_t, q_n) / 0.1))
               + loss of the quantizer,      q = W z_q,      sim the cosine.

    The quantizer sees the masked frames alone. Negatives that equal the target, as those of the same
    hard code do, count in no sum.

    Windows of two seconds are short: spans are of 4 frames, about half of the frames are masked, and 2 spans at least.
    transformers' own settings (spans of 10 frames, 0.05 of the frames) mask nothing in most such windows, and the loss
    is then 0 for nothing.

    Args:
        quantizer: with channels last, for latents of ``dim`` channels.
        width: channels of the convolutions and of the transformer, a multiple of 16: as many heads.
        transformer_layers: of the transformer.
        dim: channels of a latent.
        rate: samples a second, 8000 or 16000.

    Raises:
        MissingExtraError: without the extra ``speech``.
        ValueError: a width that is no multiple of 16, another rate, or a quantizer whose channels are not last.

    Weights start from torch's global random state. Masks and negatives are drawn from it too.

    Source: Baevski et al., wav2vec 2.0, arXiv 2006.11477, Eq. 3; the network is that of Wolf et al., transformers.
    """

    channel_dim: ClassVar[int] = -1

    def __init__(
        self, quantizer: Quantizer, width: int = 64, transformer_layers: int = 2, dim: int = 16, rate: int = 8000
    ) -> None:
        super().__init__()
        need("speech")
        from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

        if width % 16:
            raise ValueError(f"width is {width}, must be a multiple of 16 for model 'wav2vec2'")
        if rate not in _STRIDES:
            raise ValueError(f"rate is {rate}, must be among {', '.join(map(str, _STRIDES))}")
        if quantizer.channel_dim != -1:
            raise ValueError(
                f"quantizer has channel_dim={quantizer.channel_dim}, must have -1: latents are (B, T, dim)"
            )
        layers = len(_STRIDES[rate])
        silent = ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_quantizer_dropout", "layerdrop")
        self.network = Wav2Vec2ForPreTraining(
            Wav2Vec2Config(
                hidden_size=width,
                num_hidden_layers=transformer_layers,
                num_attention_heads=width // 16,
                intermediate_size=4 * width,
                conv_dim=(width,) * layers,
                conv_stride=_STRIDES[rate],
                conv_kernel=_KERNELS[:layers],
                feat_extract_norm="layer",
                do_stable_layer_norm=True,
                num_conv_pos_embeddings=16,
                num_conv_pos_embedding_groups=4,
                codevector_dim=dim,
                proj_codevector_dim=width,
                num_codevector_groups=1,
                num_codevectors_per_group=1,
                diversity_loss_weight=0.0,
                final_dropout=0.0,
                feat_proj_dropout=0.0,
                **dict.fromkeys(silent, 0.0),
            )
        )
        self.network.quantizer = _Port()
        self.project = nn.Linear(width, dim)
        self.quantizer = quantizer
        self.rate = rate
        self._drawn: Draw | None = None
        self._dataset: SpeechData | None = None

    def meet(self, dataset: Dataset) -> None:
        """Takes what the evaluation probes for: who speaks and what is said, and the training examples.

        Raises:
            ValueError: another rate, or windows too short to be masked.
        """
        assert isinstance(dataset, SpeechData)
        if dataset.rate != self.rate:
            raise ValueError(f"data has {dataset.rate} samples a second, must have {self.rate}, as the model")
        frames = int(self.network._get_feat_extract_output_lengths(dataset.train.shape[2]))
        if frames < 2 * MIN_MASKS * MASK_LENGTH:
            raise ValueError(
                f"data has windows of {frames} frames, must have {2 * MIN_MASKS * MASK_LENGTH} at least: "
                f"{MIN_MASKS} spans of {MASK_LENGTH} are masked"
            )
        self._dataset = dataset

    def start(self, batch: Float[Tensor, "B samples"]) -> None:
        """Gives the channels of the latents of this batch mean 0 and variance 1: what
        :func:`scq.models.starting.calibrate` says."""
        calibrate(self.project, self.encode(batch).flatten(0, 1))

    def encode(self, batch: Float[Tensor, "B samples"]) -> Float[Tensor, "B T dim"]:
        """The latents of all frames, masked or not."""
        features = self.network.wav2vec2.feature_extractor(batch).transpose(1, 2)
        return self.project(self.network.wav2vec2.feature_projection(features)[1])

    def forward(self, batch: Float[Tensor, "B samples"]) -> QuantizerOutput:
        """The latents of all frames, quantized."""
        return self.quantizer(self.encode(batch))

    def contexts(self, batch: Float[Tensor, "B samples"]) -> Float[Tensor, "B T width"]:
        """What the transformer makes of all frames, none masked: what probes look at."""
        return self.network.wav2vec2(batch).last_hidden_state

    def draw(self, batch: Float[Tensor, "B samples"]) -> Draw:
        """Masks and negatives by transformers' own functions, from torch's random numbers of the CPU."""
        from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices

        shape = (len(batch), int(self.network._get_feat_extract_output_lengths(batch.shape[1])))
        with _seeded(int(torch.randint(2**31, (), device="cpu"))):
            masks = _compute_mask_indices(shape, MASK_SHARE, MASK_LENGTH, min_masks=MIN_MASKS)
            negatives = _sample_negative_indices(shape, NEGATIVES, masks)
        frames = torch.from_numpy(np.flatnonzero(masks))
        drawn = (torch.from_numpy(masks), torch.from_numpy(negatives).long(), frames)
        return Draw(*(part.to(batch.device, non_blocking=True) for part in drawn))

    def objective(self, batch: Float[Tensor, "B samples"], name: str) -> Objective:
        """Latents and what they became are of the masked frames, (N, dim)."""
        self._drawn = self.draw(batch)
        held: list[Tensor | QuantizerOutput] = []

        def answer(features: Tensor) -> Tensor:
            latents = self.project(features).flatten(0, 1).index_select(0, self._drawn.frames)
            output = self.quantizer(latents)
            held.extend((latents, output))
            return self._spread(output.quantized, features)

        loss, numbers = self._contrast(batch, answer)
        latents, output = held
        numbers = numbers | {"quantizer_loss": output.loss.detach()}
        return Objective(loss + output.loss, numbers, output, latents)

    def loss(
        self, quantized: Float[Tensor, "*frames dim"], batch: Float[Tensor, "B samples"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The contrastive loss, with the masks and negatives of the last objective, and its numbers: see
        :meth:`evaluate`.

        Args:
            quantized: of the masked frames, or (B, T, dim) of all; masks are then drawn anew.
            batch: whose they are.
        """
        if quantized.ndim == 3:
            self._drawn = self.draw(batch)
            return self._contrast(batch, lambda features: quantized)
        return self._contrast(batch, lambda features: self._spread(quantized, features))

    def _contrast(
        self, batch: Float[Tensor, "B samples"], answer: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The network's loss a masked frame, of targets that the answer gives."""
        drawn = self._drawn
        assert drawn is not None and isinstance(self.network.quantizer, _Port)
        self.network.quantizer.answer = answer
        try:
            output = self.network(batch, mask_time_indices=drawn.masks, sampled_negative_indices=drawn.negatives)
        finally:
            self.network.quantizer.answer = None
        with torch.no_grad():
            numbers = self._numbers(output.projected_quantized_states, output.projected_states, drawn)
        loss = output.loss / len(drawn.frames)
        return loss, {"contrastive_loss": loss.detach()} | numbers

    def _numbers(self, targets: Float[Tensor, "B T width"], contexts: Tensor, drawn: Draw) -> dict[str, Tensor]:
        """How often a context is nearest to its target, of those that differ from it; and how many negatives do not."""
        rows = targets.flatten(0, 1)
        positive = rows.index_select(0, drawn.frames)
        negative = rows[drawn.negatives.flatten(0, 1).index_select(0, drawn.frames)]
        predicted = contexts.flatten(0, 1).index_select(0, drawn.frames)
        same = (negative == positive[:, None]).all(-1)
        own = torch.cosine_similarity(predicted, positive, dim=-1)
        others = torch.cosine_similarity(predicted[:, None], negative, dim=-1).masked_fill(same, -torch.inf)
        right = (own > others.amax(1)) & ~same.all(1)
        return {"contrastive_accuracy": right.double().mean(), "identical_negatives": same.double().mean()}

    def _spread(self, rows: Float[Tensor, "N dim"], like: Float[Tensor, "B T width"]) -> Float[Tensor, "B T dim"]:
        """The masked frames among all, which are 0."""
        assert self._drawn is not None
        full = rows.new_zeros(like.shape[0] * like.shape[1], rows.shape[1])
        return full.index_copy(0, self._drawn.frames, rows).reshape(*like.shape[:2], -1)

    def evaluate(self, examples: Int16[Tensor, "N 2 samples"]) -> dict[str, float]:
        """The numbers of :func:`scq.models.speech_evaluation.evaluate`.

        Raises:
            ValueError: the model has not met the data, whose labels it would probe for.
        """
        from scq.models.speech_evaluation import evaluate

        if self._dataset is None:
            raise ValueError("model knows no data, must meet it before it is evaluated: model.meet(dataset)")
        return evaluate(self, self._dataset, examples)

    @torch.no_grad()
    def samples(self, examples: Int16[Tensor, "N 2 samples"]) -> Int[Tensor, "N T ..."]:
        """The hard codes of held-out windows: there is no decoder."""
        return self.encode_to_codes(waves(examples).to(self.project.weight.device)).cpu()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """NumPy's global random numbers, which transformers draws from, begin at a seed; then go on where they were."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
