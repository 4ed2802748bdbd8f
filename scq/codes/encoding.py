"""A folder of files to the codes that a trained model gives them."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from scq import models
from scq.codes.bar import LateBar
from scq.codes.kinds import files_of
from scq.codes.store import CodeWriter
from scq.data.left_out import OnBadFile
from scq.models.base import Model
from scq.quantizers.stacked import places
from scq.training.config import TrainConfig
from scq.training.folder import WEIGHTS
from scq.training.model import pick_device
from scq.training.run import Run
from scq.training.terminal import say


@dataclass(frozen=True)
class Encoded:
    """What was encoded.

    Attributes:
        path: of the codes.
        number: files.
        shape: of the codes of one.
        codebook_size: K.
        support_size: mean number of weights of a soft code; None of hard ones.
        left_out: why files could not be read.
    """

    path: Path
    number: int
    shape: tuple[int, ...]
    codebook_size: int
    support_size: float | None
    left_out: list[str]


@torch.no_grad()
def encode(
    run: Path | str,
    folder: Path | str,
    out: Path | str,
    size: int | None = None,
    on_bad_file: OnBadFile = "refuse",
    device: str = "auto",
    progress: bool = False,
) -> Encoded:
    """The codes of all files in a folder, by the model of a run: the kind of files is that of its data.

    Some files at a time are read, encoded and written, so that their number does not matter.

    Args:
        run: a finished run's folder.
        folder: of pictures, or a zip archive of one. The middle squares are encoded.
        out: the .npz to write, which :mod:`scq.codes.store` describes: names, indices, and the weights of soft codes.
        size: height and width that pictures are resized to, any that the model takes; by default that of the training.
        on_bad_file: "refuse" ends with a file that cannot be read, "skip" names it and leaves it out.
        device: "auto", "cpu", "cuda", ...
        progress: shows a bar after two seconds, in a terminal.

    Raises:
        FileNotFoundError: ``folder`` is not there, or has no files of that kind.
        FileExistsError: ``out`` is there.
        ValueError: ``run`` is none that has finished, or its model has no codes; ``out`` is no .npz; a file cannot be
            read; the model does not take that size.
    """
    run, folder, out = Path(run), Path(folder), Path(out)
    if out.suffix != ".npz":
        raise ValueError(f"out is '{out}', must end in .npz")
    if out.exists():
        raise FileExistsError(f"out is '{out}', which is there, must be new")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"out is '{out}', whose folder must be there")
    config, model, read_about = opened(run, device)
    files = files_of(models.get(config.model).kind)
    number, latents, weights, shape, left_out = 0, 0, 0, (), []
    soft = False
    place = next(model.parameters()).device
    with CodeWriter(out, read_about) as writer, LateBar("Encoding", progress) as bar:
        for some in files.reader()(folder, config, size, on_bad_file):
            for reason in some.bad:
                say(f"Left out: {reason}", "yellow", stderr=True)
            left_out += some.bad
            if some.names:
                output = model.quantizer(model.encode(some.batch.to(place)))
                shape, soft = tuple(output.indices.shape[1:]), output.weights is not None
                number, latents = number + len(some.names), latents + output.indices.numel()
                dense = output.weights.float().cpu().numpy() if output.weights is not None else None
                weights += 0 if dense is None else int((dense != 0).sum())
                writer.add(some.names, output.indices.cpu().numpy(), dense)
            bar.show(*some.done)
        if not number:
            raise ValueError(f"folder is '{folder}', of whose {len(left_out)} files none could be read")
    return Encoded(out, number, shape, codebook_size(model), weights / latents if soft else None, left_out)


def opened(run: Path, device: str) -> tuple[TrainConfig, Model, dict[str, Any]]:
    """The settings and the model of a run, which has codes, on a device, and what its codes say of it.

    Raises:
        ValueError: it has none.
    """
    found = Run.open(run)
    config, model = found.config, found.model().to(pick_device(device))
    if not any(places(model.quantizer)):
        raise ValueError(f"run is '{run}', with quantizer {config.quantizer!r}, which has no codes")
    digest = sha256((run / WEIGHTS).read_bytes()).hexdigest()
    about = {"model": config.model, "quantizer": config.quantizer, "codebook_size": codebook_size(model)}
    return config, model, about | {"weights_sha256": digest}


def codebook_size(model: Model) -> int:
    """K."""
    return next(iter(places(model.quantizer))).layer.codebook_size
