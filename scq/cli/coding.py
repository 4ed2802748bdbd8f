"""``scq encode`` and ``scq decode``: their settings, and what they say at the end."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from scq.data.left_out import OnBadFile
from scq.training.kinds import Count
from scq.training.settings import Settings


@dataclass(frozen=True)
class EncodeConfig(Settings):
    """Files to the codes of a trained model."""

    run: Positional[Path]
    """Folder of a finished run."""
    folder: Positional[Path]
    """Folder or zip archive of pictures, with any subfolders; the middle squares are encoded."""
    out: Positional[Path]
    """File to write: an .npz with the names, the hard codes, and the weights of soft ones."""
    size: Count | None = None
    """Height and width that pictures are resized to: any that the model takes; by default what it was trained on."""
    on_bad_file: OnBadFile = "refuse"
    """When a file cannot be read: refuse ends, skip names it and leaves it out."""
    device: str = "auto"
    """auto (a GPU when there is one), cpu, cuda, cuda:1, ..."""


@dataclass(frozen=True)
class DecodeConfig(Settings):
    """Codes back to files."""

    run: Positional[Path]
    """Folder of the run that encoded them."""
    codes: Positional[Path]
    """The .npz that scq encode wrote."""
    out: Positional[Path]
    """Folder to write the files into, which must be new."""
    hard: bool = False
    """Take the hard codes of soft ones too."""
    device: str = "auto"
    """auto (a GPU when there is one), cpu, cuda, cuda:1, ..."""


def run_encode(config: EncodeConfig) -> None:
    """Encodes, and says what was."""
    from scq.codes import encode

    done = encode(config.run, config.folder, config.out, config.size, config.on_bad_file, config.device, progress=True)
    each = " x ".join(map(str, done.shape))
    weights = "" if done.support_size is None else f", {done.support_size:.1f} weights each"
    left_out = f"; {len(done.left_out)} left out" * bool(done.left_out)
    print(f"{done.number} files to {each} codes of {done.codebook_size} codewords{weights}{left_out}: {done.path}")


def run_decode(config: DecodeConfig) -> None:
    """Decodes, and says what was."""
    from scq.codes import decode

    done = decode(config.run, config.codes, config.out, config.hard, config.device, progress=True)
    print(f"{done.number} files from {'soft' if done.soft else 'hard'} codes: {done.folder}")
