"""Small speech: tones, each digit of its own pitch, each speaker of its own loudness over time."""

from pathlib import Path

import numpy as np
import torch

from scq.data.speech_data import Recording, SpeechData
from scq.training import CommonConfig, TrainConfig

SAMPLES = 4000
"""Half a second: 24 frames."""

SMALL = {"codebook_size": 8, "dim": 4, "width": 16, "transformer_layers": 1, "batch_size": 4, "log_every": 2}


def tone(digit: int, speaker: int, samples: int, seed: int = 0) -> np.ndarray:
    """16 bits at 8 kHz, with noise."""
    time = np.arange(samples) / 8000
    wave = np.sin(2 * np.pi * (300 + 350 * digit) * time) * (1 + 0.5 * np.sin(2 * np.pi * 8 * (1 + speaker) * time))
    noise = np.random.default_rng([digit, speaker, seed]).normal(size=samples)
    return (8000 * (wave / 1.5 + 0.05 * noise)).astype(np.int16)


def tones(train: int = 24, test: int = 8) -> SpeechData:
    """Windows of two recordings each, one of a digit from 0 to 3 and the next."""
    recordings, windows = [], []
    for number in range(train + test):
        speaker, first = number % 2, (number // 2) % 4
        parts = [tone(digit, speaker, SAMPLES // 2, number) for digit in (first, (first + 1) % 4)]
        whose = np.repeat([len(recordings), len(recordings) + 1], SAMPLES // 2).astype(np.int16)
        recordings += [Recording(f"speaker {speaker}", str(digit)) for digit in (first, (first + 1) % 4)]
        windows.append(np.stack([np.concatenate(parts), whose]))
    cut = torch.from_numpy(np.stack(windows))
    return SpeechData("tones", cut[:train], cut[train:], "tones", 8000, tuple(recordings))


def of_speech(tmp_path: Path, quantizer: str = "scq", **changes) -> TrainConfig:
    common = {"model": "wav2vec2", "data": "speech", "device": "cpu", "out": tmp_path, "trackers": (), "steps": 4}
    return CommonConfig(**common | SMALL).of(quantizer, **changes)
