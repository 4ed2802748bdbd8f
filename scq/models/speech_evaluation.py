"""The numbers of a trained wav2vec 2.0 on speech that it has not heard."""

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from scq.data.speech_data import Recording, SpeechData, waves
from scq.extras import need
from scq.models.measuring import CodebookUse, evaluating
from scq.quantizers.identity import NoQuantizer

if TYPE_CHECKING:
    from scq.models.wav2vec2 import Wav2Vec2

_BATCH = 32
_SEED = 0
"""Of the masks and negatives, and of the untrained network: the same ones for every model."""

_LEAST = 3
"""Frames of a recording in a window, to be looked at."""

_COLLAPSED = 0.99
"""Share of negatives that are their target, from which the loss is near 0 for nothing."""


def evaluate(model: "Wav2Vec2", dataset: SpeechData, examples: Int16[Tensor, "N 2 samples"]) -> dict[str, float]:
    """Contrasts held-out frames, and asks of the frozen contexts who speaks and what is said.

    A probe is a logistic regression on contexts, averaged over the frames of a recording in a window, that was fitted
    on the training examples.

    Args:
        model: on any device; its mode is put back afterwards.
        dataset: that it was trained on.
        examples: held-out windows of it.

    Returns:
        contrastive_loss: in nats a masked frame.
        contrastive_accuracy: share of masked frames whose context is nearer to their target than to all negatives that
            differ from it; where none does, it is wrong.
        identical_negatives: share of negatives that are equal to their target.
        hard_perplexity, soft_perplexity, active_codes, support_size, tightness, converged_share: over all frames.
        digit_accuracy, speaker_accuracy: of the probes, on held-out recordings.
        untrained_digit_accuracy, untrained_speaker_accuracy: the same of the network before any training.
        chance_digit_accuracy, chance_speaker_accuracy: of always the commonest.
        digit_information: normalised mutual information of hard codes and digits, over frames; 0 to 1.
        What the data has no labels for, and what needs a codebook where there is none, is NaN.

    Warns:
        UserWarning: nearly all negatives equal their target: the codebook has collapsed, and a small loss says nothing.
    """
    need("train")
    from sklearn.metrics import normalized_mutual_info_score

    use, codes, digits = CodebookUse(model.quantizer), [], []
    sums, masked = dict.fromkeys(_CONTRAST, 0.0), 0
    with evaluating(model) as device, torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        for windows in examples.split(_BATCH):
            batch = waves(windows).to(device)
            contrast = model.objective(batch, "loss")
            assert contrast.latents is not None
            masked += len(contrast.latents)
            for name in sums:
                sums[name] += float(contrast.numbers[name]) * len(contrast.latents)
            output = model(batch)
            use.update(output)
            codes.append(_joint(output.indices))
            digits.append(_of_frames(windows, output.indices.shape[1]))
    found = {name: value / masked for name, value in sums.items()} | use.compute()
    words = [recording.word for recording in dataset.recordings]
    said = [words[number] for number in torch.cat(digits).flatten().tolist()] if any(words) else []
    spoken = bool(said) and not math.isnan(found["hard_perplexity"])
    found["digit_information"] = (
        float(normalized_mutual_info_score(said, torch.cat(codes).flatten().tolist())) if spoken else math.nan
    )
    if found["identical_negatives"] > _COLLAPSED:
        warnings.warn(
            f"{found['identical_negatives']:.1%} of the negatives equal their target: the codebook has collapsed to a "
            f"perplexity of {found['hard_perplexity']:.2f}, and the loss is small for nothing",
            stacklevel=2,
        )
    return found | _probes(model, dataset, examples)


_CONTRAST = ("contrastive_loss", "contrastive_accuracy", "identical_negatives")


def _probes(model: "Wav2Vec2", dataset: SpeechData, examples: Tensor) -> dict[str, float]:
    found = {}
    fresh = _untrained(model)
    trained = [_segments(model, split, dataset.recordings) for split in (dataset.train, examples)]
    untrained = [_segments(fresh, split, dataset.recordings) for split in (dataset.train, examples)]
    for name, attribute in (("digit", "word"), ("speaker", "speaker")):
        labels = [[getattr(recording, attribute) for recording in split[1]] for split in trained]
        there = all(all(split) for split in labels) and len(set(labels[0])) > 1
        found[f"{name}_accuracy"] = _probe(trained, labels) if there else math.nan
        found[f"untrained_{name}_accuracy"] = _probe(untrained, labels) if there else math.nan
        commonest = max(labels[1].count(label) for label in set(labels[1])) / len(labels[1])
        found[f"chance_{name}_accuracy"] = commonest if there else math.nan
    return found


def _untrained(model: "Wav2Vec2") -> "Wav2Vec2":
    """The same network from other random numbers, whose contexts need no quantizer."""
    config = model.network.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        fresh = type(model)(
            NoQuantizer(), config.hidden_size, config.num_hidden_layers, config.codevector_dim, model.rate
        )
    return fresh.to(next(model.parameters()).device)


def _segments(
    model: "Wav2Vec2", windows: Tensor, recordings: Sequence[Recording]
) -> tuple[Float[np.ndarray, "M width"], list[Recording]]:
    """The mean context of each recording in each window."""
    features, whose = [], []
    with evaluating(model) as device:
        for some in windows.split(_BATCH):
            contexts = model.contexts(waves(some).to(device)).cpu().numpy()
            numbers = _of_frames(some, contexts.shape[1]).numpy()
            for window, of_window in zip(contexts, numbers, strict=True):
                for number in np.unique(of_window):
                    own = window[of_window == number]
                    if len(own) >= _LEAST:
                        features.append(own.mean(0))
                        whose.append(recordings[number])
    return np.stack(features), whose


def _probe(splits: Sequence[tuple[np.ndarray, Sequence[Recording]]], labels: Sequence[Sequence[str]]) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (train, _), (test, _) = splits
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, labels[0])
    return float(probe.score(test, labels[1]))


def _of_frames(windows: Int16[Tensor, "N 2 samples"], frames: int) -> Tensor:
    """The number of the recording in the middle of each frame, (N, T)."""
    middles = (torch.arange(frames) + 0.5) * windows.shape[2] / frames
    return windows[:, 1].long()[:, middles.long()]


def _joint(indices: Tensor) -> Tensor:
    """One number for the codes of all groups, (N, T)."""
    if indices.ndim == 2:
        return indices.cpu()
    flat = indices.flatten(2)
    return torch.unique(flat.flatten(0, 1), dim=0, return_inverse=True)[1].reshape(flat.shape[:2]).cpu()
