"""``speech``: recordings in a folder with any subfolders, or in a zip archive of one: .wav, .flac and .ogg.

Two layouts are known by their names. The Free Spoken Digit Dataset (``7_jackson_32.wav``) has digit and speaker in the
names, and its recordings 0 to 4 of each are held out, as its authors do; of a part of it the first fifth, at most five.
LibriSpeech (``84-121123-0000.flac``) has the speaker; held out are the folders test-* and dev-*. Of other folders, the
speaker is the folder that a recording is in; held out are the folders named ``test``, and without any such a tenth of
the recordings, chosen by a hash of their names.

Words are shorter than a model's context: recordings of a speaker are joined, and cut into windows of two seconds.
"""

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from math import gcd
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Int16
from torch import Tensor

from scq.data.root import find_root
from scq.data.speech_data import Recording, SpeechData
from scq.data.tree import Tree, open_tree
from scq.extras import need

FORMATS = (".wav", ".flac", ".ogg")
SECONDS = 2
RATE = 8000

_SHARE = 10
"""One recording of so many is held out."""

_MOST = 2**15 - 1
"""Recordings: their numbers are of 16 bits."""

_DIGIT = re.compile(r"(?P<word>\d)_(?P<speaker>[^_]+)_(?P<number>\d+)\.wav")
_LIBRI = re.compile(r"(?P<speaker>\d+)-\d+-\d+\.flac")


def read(root: Path | None = None, rate: int = RATE) -> SpeechData:
    """All recordings, those of a speaker in the order of their names' hashes.

    Args:
        root: folder or zip archive.
        rate: samples a second that all are brought to.

    Raises:
        MissingExtraError: without the extra ``speech``.
        FileNotFoundError: when there are none; the message says where they were sought.
        ValueError: when a file cannot be read or has several channels, there are too many, or too little for two
            splits; the message names it.
    """
    need("speech")
    found = find_root(root)
    nothing = (
        f"no recordings ({', '.join(FORMATS)}) in {found}; name the folder or zip archive that holds them with "
        "--data-root or SCQ_DATA"
    )
    if not found.path.exists():
        raise FileNotFoundError(nothing)
    with open_tree(found.path) as tree:
        names = sorted(filter(_is_recording, tree.names), key=_hash)
        if not names:
            raise FileNotFoundError(nothing)
        if len(names) > _MOST:
            raise ValueError(f"{found} has {len(names)} recordings, at most {_MOST} are read: they are held in memory")
        held_out, how = _held_out(names)
        recordings = tuple(_recording(name) for name in names)
        sound = [_sound(tree, name, rate) for name in names]
    windows = {}
    for split, chosen in (("train", False), ("test", True)):
        numbers = [number for number, name in enumerate(names) if (name in held_out) == chosen]
        windows[split] = _windows(numbers, recordings, sound, SECONDS * rate)
        if not len(windows[split]):
            raise ValueError(
                f"{found} has {len(numbers)} recordings for {split}, of no speaker {SECONDS} seconds: must have more"
            )
    speakers = len({recording.speaker for recording in recordings})
    description = (
        f"{len(windows['train'])} training and {len(windows['test'])} test windows of {SECONDS} s at {rate} Hz, of "
        f"{len(names)} recordings of {speakers} speakers in {found.path.name}, {len(held_out)} held out ({how}); "
        "recordings of a speaker joined"
    )
    return SpeechData(name="speech", **windows, description=description, rate=rate, recordings=recordings)


def _held_out(names: Sequence[str]) -> tuple[set[str], str]:
    matches = {name: _DIGIT.fullmatch(PurePosixPath(name).name) for name in names}
    if all(matches.values()):
        numbers = {name: int(match["number"]) for name, match in matches.items() if match}
        first = min(5, max(1, (max(numbers.values()) + 1) // 5))
        return {name for name, number in numbers.items() if number < first}, f"the first {first} of each digit"
    folders = {name for name in names if any(_is_test(part) for part in PurePosixPath(name).parts[:-1])}
    if folders:
        return folders, "those in folders named test or dev"
    return set(names[: max(1, len(names) // _SHARE)]), "chosen by a hash of their names"


def _is_test(folder: str) -> bool:
    return folder in ("test", "dev") or folder.startswith(("test-", "dev-"))


def _recording(name: str) -> Recording:
    path = PurePosixPath(name)
    if match := _DIGIT.fullmatch(path.name):
        return Recording(match["speaker"], match["word"])
    if match := _LIBRI.fullmatch(path.name):
        return Recording(match["speaker"])
    return Recording("" if _is_test(path.parent.name) else path.parent.name)


def _sound(tree: Tree, name: str, rate: int) -> Int16[np.ndarray, " samples"]:
    import soundfile
    from scipy.signal import resample_poly

    where = f"{tree.place}: {name}"
    try:
        wave, own = soundfile.read(io.BytesIO(tree.read(name)), dtype="float32")
    except soundfile.SoundFileError as error:
        raise ValueError(f"{where} is truncated or no recording ({error})") from error
    if wave.ndim > 1:
        raise ValueError(f"{where} has {wave.shape[1]} channels, must have 1")
    if own != rate:
        common = gcd(own, rate)
        wave = resample_poly(wave, rate // common, own // common)
    return np.round(np.clip(wave, -1, 1) * (2**15 - 1)).astype(np.int16)


def _windows(
    numbers: Iterable[int], recordings: Sequence[Recording], sound: Sequence[np.ndarray], length: int
) -> Int16[Tensor, "N 2 samples"]:
    """The recordings of each speaker after one another, in windows; what is left at the end is dropped."""
    of_speakers: dict[str, list[int]] = {}
    for number in numbers:
        of_speakers.setdefault(recordings[number].speaker, []).append(number)
    cut = [np.empty((0, 2, length), np.int16)]
    for speaker in sorted(of_speakers):
        own = of_speakers[speaker]
        wave = np.concatenate([sound[number] for number in own])
        whose = np.concatenate([np.full(len(sound[number]), number, np.int16) for number in own])
        whole = len(wave) // length
        cut.append(np.stack([wave, whose])[:, : whole * length].reshape(2, whole, length).transpose(1, 0, 2))
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(cut)))


def _is_recording(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in FORMATS and not hidden


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()
