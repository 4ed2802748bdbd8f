"""Latents and codebook of a trained model, as a file that other processes read."""

from pathlib import Path

import torch

from scq.data.batching import at_once
from scq.data.dataset import Dataset, spread
from scq.models.base import Model
from scq.quantizers.composed import ComposedQuantizer
from scq.quantizers.layout import to_rows
from scq.training import load_run
from scq.training.dumps import dumped
from scq.training.folder import write_bytes
from scq.training.images import images_of
from scq.training.tensors import serialised

LATENTS = "latents.safetensors"

_EXAMPLES = 256
"""Pictures have 64 latents each, at 32 x 32: more than any backend is timed on."""


@torch.no_grad()
def save_latents(folder: Path, model: Model, dataset: Dataset) -> Path:
    """Writes the latents of held-out examples, spread evenly over them, and the codebook, to
    ``folder/latents.safetensors``.

    Raises:
        ValueError: the model has no codebook, or several.
    """
    quantizer = model.quantizer
    if not isinstance(quantizer, ComposedQuantizer):
        raise ValueError(
            f"'{folder}' is a run with {type(quantizer).__name__}, which has no codebook of its own to compare on; of "
            "stages and groups compare the problems that dump_every writes"
        )
    codebook = quantizer.codebook.detach()
    chosen = dataset.test[spread(len(dataset.test), _EXAMPLES)]
    size = at_once(chosen, _EXAMPLES) if dataset.kind == "pictures" else _EXAMPLES
    parts = [model.encode(dataset.ready(some).to(codebook.device)) for some in chosen.split(size)]
    rows = quantizer.embedding.enter(to_rows(torch.cat(parts), quantizer.dim, quantizer.channel_dim))
    path = folder / LATENTS
    write_bytes(path, serialised({"latents": rows, "codebook": codebook}))
    return path


def problem_files(path: Path) -> list[Path]:
    """The safetensors files for what the user names: of a folder of dumped problems all, in the order of their steps;
    otherwise that of :func:`latents_file`.

    Raises:
        ValueError: neither a file nor such a folder, nor that of a finished run.
        FileNotFoundError: the run's data is not where it is looked for.
    """
    return [file.resolve() for file in dumped(path)] or [latents_file(path)]


def latents_file(path: Path) -> Path:
    """The safetensors file for what the user names: the file itself, or that of a run's folder, made when missing.

    Raises:
        ValueError: neither a file nor the folder of a finished run.
        FileNotFoundError: the run's data is not where it is looked for.
    """
    if path.is_file():
        return path.resolve()
    if not path.is_dir():
        raise ValueError(f"latents is '{path}', must be the folder of a run, of dumped problems, or a safetensors file")
    if (path / LATENTS).is_file():
        return (path / LATENTS).resolve()
    config, model = load_run(path)
    return save_latents(path, model, images_of(config)).resolve()
