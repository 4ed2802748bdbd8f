"""Codes back to files."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scq import models
from scq.codes.bar import LateBar
from scq.codes.encoding import codebook_size, opened
from scq.codes.kinds import files_of
from scq.codes.reading import open_codes
from scq.data.tree import check_inside

_AT_ONCE = 4096
"""Latents that are decoded together, or those of one file where it has more."""


@dataclass(frozen=True)
class Decoded:
    """What was decoded.

    Attributes:
        folder: of the files.
        number: of them.
        soft: whether from weights, or from hard codes.
    """

    folder: Path
    number: int
    soft: bool


@torch.no_grad()
def decode(
    run: Path | str,
    codes: Path | str,
    out: Path | str,
    hard: bool = False,
    device: str = "auto",
    progress: bool = False,
) -> Decoded:
    """The files that the model of a run makes of codes which :func:`scq.codes.encode` wrote by it.

    Soft codes give the model's own reconstruction, hard ones that of its hard codes. ``a/b.jpg`` becomes
    ``out/a/b.png``, or ``out/a/b.jpg.png`` where there was an ``a/b.png`` too.

    Args:
        run: the run's folder.
        codes: the .npz.
        out: the folder to write, which must not be there.
        hard: takes the hard codes of soft ones too.
        device: "auto", "cpu", "cuda", ...
        progress: shows a bar after two seconds, in a terminal.

    Raises:
        FileExistsError: ``out`` is there.
        FileNotFoundError: ``codes`` are not there.
        ValueError: ``run`` is none that has finished; the codes are another model's, truncated, or something else; a
            name in them leads out of ``out``.
    """
    run, codes, out = Path(run), Path(codes), Path(out)
    if out.exists():
        raise FileExistsError(f"out is '{out}', which is there, must be new")
    with open_codes(codes) as reader:
        config, model, about = opened(run, device)
        if reader.about != about:
            was, now = (", ".join(f"{name} {value}" for name, value in one.items()) for one in (reader.about, about))
            raise ValueError(f"codes is '{codes}', which another model wrote ({was}), must be of '{run}' ({now})")
        if not hasattr(model, "decode"):
            raise ValueError(f"run is of model {config.model!r}, which makes nothing of codes")
        files = files_of(models.get(config.model).kind)
        write, taken, done = files.writer(), set[PurePosixPath](), 0
        out.mkdir(parents=True)
        with LateBar("Decoding", progress) as bar:
            for names, indices, weights in reader.parts(reader.together(_AT_ONCE), codebook_size(model), hard):
                for name, example in zip(names, _examples(model, indices, weights), strict=True):
                    path = out / _new_name(codes, name, files.suffix, taken)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write(path, example)
                done += len(names)
                bar.show(done, reader.number)
    return Decoded(out, done, reader.soft and not hard)


def _examples(model: Any, indices: np.ndarray, weights: np.ndarray | None) -> Tensor:
    """What a model with ``decode`` makes of codes."""
    device, quantizer = next(model.parameters()).device, model.quantizer
    if weights is None:
        return model.decode(quantizer.decode(torch.from_numpy(indices).to(device)))
    return model.decode(quantizer.combine(torch.from_numpy(weights).to(device)))


def _new_name(codes: Path, name: str, suffix: str, taken: set[PurePosixPath]) -> PurePosixPath:
    """Where the file of that name goes, which is within the folder and not taken."""
    check_inside(codes, name)
    path = PurePosixPath(name)
    for choice in (path.with_suffix(suffix), path.with_name(path.name + suffix)):
        if choice not in taken:
            taken.add(choice)
            return choice
    raise ValueError(f"codes is '{codes}', which has {name!r} twice")
