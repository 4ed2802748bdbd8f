"""What readers of speech return."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float, Int16
from torch import Tensor

from scq.data.dataset import Dataset


@dataclass(frozen=True)
class Recording:
    """What is known of a recording.

    Attributes:
        speaker: who speaks; empty where that is not known.
        word: what is said, of data whose recordings are single words; empty elsewhere.
    """

    speaker: str = ""
    word: str = ""


@dataclass(frozen=True)
class SpeechData(Dataset):
    """Windows of speech for training, and held-out ones for testing: recordings of one speaker after one another.

    Args:
        name: the name it was loaded by.
        train: int16, ``(N, 2, samples)``: the wave, and at each sample the number of its recording.
        test: int16, ``(M, 2, samples)``, of recordings that are not in training.
        description: where the speech came from and what was held out, one line for the report.
        rate: samples a second.
        recordings: by their numbers.

    Raises:
        TypeError: when a split is not an int16 tensor.
        ValueError: when a split is empty or no windows, or the two differ in length.
    """

    kind: ClassVar[str] = "speech"

    name: str
    train: Int16[Tensor, "N 2 samples"]
    test: Int16[Tensor, "M 2 samples"]
    description: str
    rate: int = 8000
    recordings: tuple[Recording, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for split, windows in (("train", self.train), ("test", self.test)):
            if windows.dtype != torch.int16:
                raise TypeError(f"{split} is {windows.dtype}, must be a tensor of torch.int16")
            if windows.ndim != 3 or windows.shape[1] != 2 or not windows.numel():
                raise ValueError(f"{split} has shape {tuple(windows.shape)}, must be (N >= 1, 2, samples)")
        if self.train.shape[2] != self.test.shape[2]:
            lengths = f"{self.train.shape[2]} and {self.test.shape[2]}"
            raise ValueError(f"windows in train and test have {lengths} samples, must have as many")

    def __deepcopy__(self, memo: object) -> "SpeechData":
        # Models hold it, and are copied; it cannot change.
        return self

    def ready(self, examples: Int16[Tensor, "B 2 samples"]) -> Float[Tensor, "B samples"]:
        """The waves, each with mean 0 and variance 1, as wav2vec 2.0 takes them; silence stays silence."""
        return waves(examples)


def waves(examples: Int16[Tensor, "B 2 samples"]) -> Float[Tensor, "B samples"]:
    """What :meth:`SpeechData.ready` gives, wherever the examples came from."""
    wave = examples[:, 0].float()
    wave = wave - wave.mean(1, keepdim=True)
    return wave / wave.std(1, correction=0, keepdim=True).clamp_min(1.0)  # one step of 16 bits
