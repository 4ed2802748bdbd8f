"""Speech: recordings of a speaker joined, cut into windows, and none of them on both sides."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from small_speech import tone

from scq import data
from scq.data.speech_data import Recording, SpeechData, waves

soundfile = pytest.importorskip("soundfile")


def encoded(wave: np.ndarray, rate: int = 8000, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=kind)
    return file.getvalue()


def digits(place: Path, numbers: int = 10, samples: int = 5000) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for digit in range(2):
            for speaker, name in enumerate(("ann", "bob")):
                for number in range(numbers):
                    wave = encoded(tone(digit, speaker, samples, number))
                    archive.writestr(f"recordings/{digit}_{name}_{number}.wav", wave)
        archive.writestr("README.md", "digits")
    return place


def test_digits_are_split_by_the_number_of_the_recording(tmp_path: Path) -> None:
    loaded = data.load("speech", digits(tmp_path / "digits.zip"))
    assert isinstance(loaded, SpeechData) and loaded.rate == 8000
    assert loaded.train.shape == (10, 2, 16000) and loaded.test.shape == (2, 2, 16000)
    of_train, of_test = (set(split[:, 1].unique().tolist()) for split in (loaded.train, loaded.test))
    assert of_train.isdisjoint(of_test)
    assert {loaded.recordings[number].word for number in of_test} == {"0", "1"}
    for windows in (loaded.train, loaded.test):
        for window in windows:
            assert len({loaded.recordings[number].speaker for number in window[1].unique().tolist()}) == 1
    assert "8 held out (the first 2 of each digit)" in loaded.description
    # Each recording is there as it was written, where its number says.
    number = int(loaded.train[0, 1, 0])
    own = loaded.train[0, 0][loaded.train[0, 1] == number].numpy()
    recording = loaded.recordings[number]
    speaker = ("ann", "bob").index(recording.speaker)
    candidates = [tone(int(recording.word), speaker, 5000, seed) for seed in range(10)]
    assert min(np.abs(candidate[: len(own)].astype(int) - own).max() for candidate in candidates) <= 1
    assert torch.equal(data.load("speech", tmp_path / "digits.zip").train, loaded.train)


def test_librispeech_has_speakers_and_its_own_split(tmp_path: Path) -> None:
    for folder, speaker in (("train-clean-5", 84), ("dev-clean-2", 1272)):
        chapter = tmp_path / folder / str(speaker) / "1"
        chapter.mkdir(parents=True)
        for number in range(3):
            wave = encoded(tone(number, 0, 24000), rate=16000, kind="FLAC")
            (chapter / f"{speaker}-1-000{number}.flac").write_bytes(wave)
    loaded = data.load("speech", tmp_path, rate=16000)
    assert loaded.train.shape[0] == loaded.test.shape[0] == 2 and loaded.rate == 16000
    assert {recording.speaker for recording in loaded.recordings} == {"84", "1272"}
    assert loaded.recordings[int(loaded.test[0, 1, 0])] == Recording("1272")


def test_other_folders_are_speakers_and_other_rates_are_brought_to_one(tmp_path: Path) -> None:
    for speaker in ("ann", "test"):
        (tmp_path / speaker).mkdir()
        time = np.arange(3 * 16000) / 16000
        (tmp_path / speaker / "a.wav").write_bytes(encoded(0.5 * np.sin(2 * np.pi * 1000 * time), rate=16000))
    loaded = data.load("speech", tmp_path)
    assert loaded.recordings[int(loaded.train[0, 1, 0])] == Recording("ann")
    spectrum = np.abs(np.fft.rfft(loaded.train[0, 0].numpy()))
    assert spectrum.argmax() == 1000 * 2  # a window of two seconds has bins of half a hertz


def test_waves_have_mean_0_and_variance_1_and_silence_stays_silence() -> None:
    examples = torch.zeros(2, 2, 100, dtype=torch.int16)
    examples[0, 0] = torch.arange(100)
    found = waves(examples)
    assert abs(float(found[0].mean())) < 1e-6 and float(found[0].std(correction=0)) == pytest.approx(1)
    assert torch.equal(found[1], torch.zeros(100))


@pytest.mark.usefixtures("as_a_user")
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no recordings \(.wav, .flac, .ogg\) in .*; name the folder or zip"):
        data.load("speech", tmp_path)
    (tmp_path / "a.wav").write_bytes(b"RIFF and nothing else")
    with pytest.raises(ValueError, match=r"a.wav is truncated or no recording"):
        data.load("speech", tmp_path)
    (tmp_path / "a.wav").write_bytes(encoded(np.zeros((100, 2))))
    with pytest.raises(ValueError, match=r"a.wav has 2 channels, must have 1"):
        data.load("speech", tmp_path)
    (tmp_path / "a.wav").write_bytes(encoded(np.zeros(100)))
    with pytest.raises(ValueError, match=r"has 0 recordings for train, of no speaker 2 seconds: must have more"):
        data.load("speech", tmp_path)
    with pytest.raises(ValueError, match=r"test has shape \(1, 1, 4\), must be \(N >= 1, 2, samples\)"):
        SpeechData("own", torch.zeros(1, 2, 4, dtype=torch.int16), torch.zeros(1, 1, 4, dtype=torch.int16), "")
